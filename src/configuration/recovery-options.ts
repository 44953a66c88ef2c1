/** The part of the table of options that says what is recovered, and how. */
import type { OptionRow } from "./option.js";

/** The commands that can be told which documents are meant. */
const selecting = ["restore", "diff", "undo", "rewind", "export", "preview"];

const text = (
  flag: string,
  commands: readonly string[],
  description: string,
  more: Partial<OptionRow> = {},
): OptionRow => ({ flag, type: "text", commands, description, ...more });

export const recovery: OptionRow[] = [
  text("--key <key>", selecting, "only this document; @file for a file with a key on each line", {
    list: true,
  }),
  text("--between <from..to>", selecting, "only documents whose keys are in this range"),
  text("--where <query>", selecting, 'only documents that fit, such as {"status": "open"}'),
  text("--tenant <file>", selecting, "only one customer's documents: the field of each table", {
    type: "path",
  }),
  text("--tenant-id <value>", selecting, "the value of that field"),
  text("--table <db.table>", ["undo", "rewind"], "this table too", { list: true }),
  text("--db <name>", ["undo", "rewind"], "all tables of this database", { list: true }),
  text("--from <time>", ["undo"], "take back what was changed after this instant"),
  text(
    "--to <time>",
    ["undo"],
    "and up to this one; if not given, everything that anybody has changed until now is taken back",
  ),
  text("--operation <id>", ["undo"], "take back what this operation has written"),
  text("--field <path>", ["undo"], "take back only this field, such as address.city", {
    list: true,
  }),
  text(
    "--ignore-field <path>",
    ["undo"],
    "leave this field as it is, and let it be no conflict: such as one that a write hook counts",
    { list: true },
  ),
  text("--at <time>", ["rewind"], "the instant that the tables, or the part, are brought back to"),
  text(
    "--on-conflict <way>",
    ["undo"],
    "for documents of which a field was set to something else since: refuse everything, skip them, cascade (bring all " +
      "of the document back), or force (bring the field back)",
    { choices: ["refuse", "skip", "cascade", "force"], default: "refuse" },
  ),
  {
    flag: "--dry-run",
    type: "switch",
    commands: ["undo", "rewind"],
    description:
      "print what would be changed, and change nothing; with --plan also of a plan that was made",
  },
  {
    flag: "--keep-added",
    type: "switch",
    commands: ["undo", "rewind"],
    description: "delete nothing: leave documents that were made since",
  },
  text(
    "--plan <file>",
    ["undo", "rewind"],
    "with --dry-run and what is to be done: write it down; else: do exactly what this file says",
    { type: "path" },
  ),
  {
    flag: "--undoable-for <duration>",
    type: "duration",
    default: "30d",
    commands: ["undo", "rewind"],
    description:
      "how long this can be taken back: so long its record, and the instant before it, are kept; a day or longer",
  },
];
