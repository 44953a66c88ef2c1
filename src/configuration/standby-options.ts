/** The part of the table of options that is about servers which show the past, or follow the present. */
import type { OptionRow } from "./option.js";

const text = (
  flag: string,
  commands: readonly string[],
  description: string,
  more: Partial<OptionRow> = {},
): OptionRow => ({ flag, type: "text", commands, description, ...more });
const flag = (name: string, commands: readonly string[], description: string): OptionRow => {
  return { flag: name, type: "switch", commands, description };
};

export const standing: OptionRow[] = [
  text("--at <time>", ["preview"], "the instant to show; the newest restorable one if not given"),
  text("--table <db.table>", ["preview"], "only this table", { list: true }),
  text("--db <name>", ["preview"], "only this database", { list: true }),
  text(
    "--gap <end>",
    ["preview"],
    'for an instant inside a gap: take the state "before" or "after" the gap',
  ),
  flag(
    "--allow-inexact",
    ["preview"],
    "take an instant that is not exact; inside a gap, the state before it",
  ),
  flag(
    "--nearest",
    ["preview"],
    "if the history is thinned at the instant, take the last kept one before it",
  ),
  text("--table <db.table>", ["follow"], "only this table", { list: true }),
  text("--db <name>", ["follow"], "only this database", { list: true }),
  text("--until <time>", ["follow"], "end when everything is as of this instant"),
  flag("--check", ["follow"], "then compare every document with the repository"),
  flag(
    "--with-access",
    ["follow"],
    "then make users and grants too; passwords cannot be restored, and have to be set",
  ),
  flag("--drop", ["follow"], "drop tables that the source has dropped, instead of renaming them"),
  flag(
    "--overwrite",
    ["follow"],
    "first compare all tables, and overwrite what somebody else has written to them",
  ),
  flag(
    "--finish",
    ["follow"],
    "end following, with or after --until: the tables take writes, and the record of the standby is removed",
  ),
  text("--every <duration>", ["follow"], "how often to look for what is new", {
    type: "duration",
    default: "1s",
  }),
  text("--for <duration>", ["preview"], "remove it after this time; if not given, when stopped", {
    type: "duration",
  }),
  flag("--http", ["preview"], "serve the web interface too, which asks for no password"),
  flag("--clean", ["preview"], "first drop what earlier previews left on the target"),
];
