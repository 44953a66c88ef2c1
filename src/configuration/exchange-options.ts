/** The part of the table of options that says what is exported and imported. */
import type { OptionRow } from "./option.js";

const text = (
  flag: string,
  commands: readonly string[],
  description: string,
  more: Partial<OptionRow> = {},
): OptionRow => ({ flag, type: "text", commands, description, ...more });

export const exchange: OptionRow[] = [
  text("--at <time>", ["export"], "the instant; the newest restorable one if not given"),
  text("--format <form>", ["export"], "what is written", {
    choices: ["rethinkdb-dump", "ndjson", "csv"],
    default: "rethinkdb-dump",
  }),
  text(
    "--out <place>",
    ["export"],
    "a new file; for ndjson and csv of several tables a new directory; - for standard output",
    { type: "path", mandatory: true },
  ),
  text("--fields <field>", ["export"], "a column of csv; all top-level fields if none is given", {
    list: true,
  }),
  text("--began <time>", ["import"], "when the dump began; as its files say if not given"),
  text("--ended <time>", ["import"], "when the dump had ended; as its files say if not given"),
  {
    flag: "--leave-out-incomplete",
    type: "switch",
    commands: ["import"],
    description: "leave out tables of which the archive lacks the settings or the documents",
  },
];
