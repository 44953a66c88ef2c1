/** The part of the table of options that says how a restore is made, and how its tables take the live ones' place. */
import type { OptionRow } from "./option.js";

const flag = (name: string, commands: string[], description: string): OptionRow => ({
  flag: name,
  type: "switch",
  commands,
  description,
});

export const restoring: OptionRow[] = [
  flag(
    "--beside",
    ["restore"],
    "restore beside the live tables, under names that say as of when; `thinkback promote` swaps them",
  ),
  {
    flag: "--max-rate <rate>",
    type: "text",
    commands: ["restore", "undo", "rewind"],
    description: "write at most so many documents a second, such as 5000, or bytes, such as 10MiB",
  },
  flag(
    "--gentle",
    ["restore", "undo", "rewind"],
    "write one batch at a time, and rest after it as long as it took",
  ),
  {
    flag: "--mask <file>",
    type: "path",
    commands: ["restore"],
    description: "mask fields on the way, as this file says",
  },
  flag(
    "--allow-unused-rules",
    ["restore"],
    "a rule of --mask may be for a field that no document has; without it the restore ends then",
  ),
  {
    flag: "--report <file>",
    type: "path",
    commands: ["restore"],
    description: "write the whole result into this file as JSON, also if the restore fails",
  },
  {
    flag: "--repo <location>",
    key: "repo",
    variable: "THINKBACK_REPO",
    type: "location",
    commands: ["promote"],
    optional: true,
    description: "the repository in which the instant before the swap is pinned",
  },
  {
    flag: "--from <db.table>",
    type: "text",
    commands: ["promote"],
    description: "the table that takes the live one's place, if its name does not say it",
  },
  flag("--back", ["promote"], "give the live table's name back to the one that had it before"),
  flag(
    "--force",
    ["promote"],
    "promote also a table that was restored in part, or has less than half of the live documents",
  ),
  flag("--dry-run", ["promote"], "print what would be swapped, and swap nothing"),
];
