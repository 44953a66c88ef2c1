/** The part of the table of options that says what of the past is looked at. */
import type { OptionRow } from "./option.js";

const text = (
  flag: string,
  commands: readonly string[],
  description: string,
  more: Partial<OptionRow> = {},
): OptionRow => ({ flag, type: "text", commands, description, ...more });

export const seeing: OptionRow[] = [
  text("--from <time>", ["history"], "only versions captured from then on"),
  text("--to <time>", ["history"], "only versions captured until then; of the table of that time"),
  text("--from <time>", ["diff"], "the earlier instant"),
  text("--to <time>", ["diff"], "the later instant"),
  text("--at <time>", ["diff"], "the instant that the live table is compared with, with --live"),
  text("--from <time>", ["points"], "points from then on; 7 days ago if not given"),
  text("--to <time>", ["points"], "points until then; now if not given"),
  {
    flag: "--all",
    type: "switch",
    commands: ["points"],
    description: "list points of tables too that were restored beside live ones, or swapped out",
  },
  {
    flag: "--reads",
    type: "switch",
    commands: ["table"],
    description:
      "print instead what a restore of the table to its newest instant reads, and its cost",
  },
  {
    flag: "--without-bursts",
    type: "switch",
    commands: ["points"],
    description: "list what is recorded alone: the log is not read for bursts and changes",
  },
  {
    flag: "--hide-dropped",
    type: "switch",
    commands: ["status"],
    description: "leave out tables that were dropped",
  },
  text("--at <time>", ["mark"], "the instant that is marked; now if not given"),
  {
    flag: "--live",
    type: "switch",
    commands: ["diff"],
    description: "compare with the live table on --target",
  },
  {
    flag: "--fields",
    type: "switch",
    commands: ["diff"],
    description: "print the fields in which documents differ; without it only of three or fewer",
  },
  text("--limit <count>", ["diff"], "print so many documents at most (default: 20; all as JSON)", {
    type: "count",
  }),
];
