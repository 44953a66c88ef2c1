/** The part of the table of options that has no place in a file. */
import type { OptionRow } from "./option.js";

const at = (commands: string[], description: string, more: Partial<OptionRow> = {}): OptionRow => ({
  flag: "--at <time>",
  type: "text",
  commands,
  description,
  ...more,
});
const flag = (name: string, commands: string[], description: string): OptionRow => ({
  flag: name,
  type: "switch",
  commands,
  description,
});
const text = (
  name: string,
  commands: string[],
  description: string,
  more: Partial<OptionRow> = {},
): OptionRow => ({ flag: name, type: "text", commands, description, ...more });

/** What is decided each time that a command is given. */
export const eachTime: OptionRow[] = [
  at(["restore"], "the instant to restore; the newest restorable one if not given"),
  at(
    ["drill"],
    "the instant to restore; if not given, the newest with --expect, else an exact one drawn by lot",
  ),
  at(["show", "pin add"], "the instant; the newest restorable one if not given"),
  at(["catalog"], "the instant; if not given, the newest at which the catalog is known"),
  at(["fold"], "fold up to this instant; the newest exact one if not given"),
  at(["acknowledge"], "an instant inside the gap", { mandatory: true }),
  flag("--latest", ["drill"], "restore the newest instant at which all chosen tables are exact"),
  text("--table <db.table>", ["restore", "drill", "fold", "export"], "only this table", {
    list: true,
  }),
  text("--db <name>", ["restore", "drill", "export"], "only this database", { list: true }),
  text(
    "--rename <old=new>",
    ["restore"],
    "restore under another name: db.table=db.table or db=db",
    { list: true },
  ),
  flag("--dry-run", ["restore"], "print the plan and change nothing"),
  flag("--dry-run", ["expire"], "print what would be expired and deleted, and change nothing"),
  flag("--dry-run", ["repair"], "print what could be rebuilt, and change nothing"),
  text(
    "--gap <end>",
    ["restore", "show", "export", "diff", "undo", "rewind"],
    'for an instant inside a gap: take the state "before" or "after" the gap',
  ),
  flag(
    "--allow-inexact",
    ["restore", "show", "export", "diff", "undo", "rewind"],
    "take an instant that is not exact; inside a gap, the state before it",
  ),
  flag("--allow-inexact", ["pin add"], "pin an instant that is not exact"),
  flag(
    "--nearest",
    ["restore", "show", "export", "diff"],
    "if the history is thinned at the instant, take the last kept one before it",
  ),
  flag("--without-access", ["restore"], "leave users and grants out of a restore of everything"),
  flag(
    "--clean",
    ["drill"],
    "first drop what earlier drills left on the target; not while another drill runs there",
  ),
  text(
    "--diff <times...>",
    ["catalog"],
    "two instants: print what changed from the first to the second",
    { variadic: true },
  ),
  text("--keep <tiers>", ["plan"], "compute the cost of these tiers too", {
    type: "tiers",
    list: true,
  }),
  flag("--data", ["verify"], "read every object to its end, line by line"),
  flag("--data", ["repair"], "first read every object to its end, line by line"),
  text(
    "--sample <share>",
    ["verify"],
    "read a random share of the objects to their ends, such as 5%",
  ),
  text("--note <text>", ["acknowledge"], "what to remember about it", { mandatory: true }),
  text("--note <text>", ["pin add"], "what to remember about it"),
  text("--for <duration>", ["pin add"], "how long it counts; until it is removed, if not given", {
    type: "duration",
  }),
  text(
    "--around <duration>",
    ["pin add"],
    "keep every change of the days so long before and after it too, while it counts",
    { type: "duration" },
  ),
  text(
    "--expect-head <head>",
    ["run", "maintain", "restore", "drill", "verify"],
    "refuse a log, or key sets, without this head, which `thinkback status` printed: their end was cut off",
  ),
  text(
    "--store-as-of <time>",
    [
      "restore",
      "drill",
      "preview",
      "show",
      "history",
      "diff",
      "points",
      "table",
      "status",
      "catalog",
      "verify",
      "plan",
      "export",
    ],
    "read a bucket with versions as it was then, before somebody deleted or replaced objects",
  ),
  text("--from <location>", ["copy"], "the repository", { type: "location", mandatory: true }),
  text("--to <location>", ["copy"], "an empty place, or a copy of it", {
    type: "location",
    mandatory: true,
  }),
  flag(
    "--check",
    ["copy"],
    "compare the bytes of what is there already, and read back what is copied",
  ),
  flag(
    "--mirror",
    ["copy"],
    "then delete there what the repository has deleted; wants a key of a sealed one",
  ),
  flag("--dry-run", ["copy"], "print what would be copied and deleted, and change nothing"),
  flag("--read-only", ["doctor"], "write nothing to the store; says what was not tried"),
  text(
    "--keys <directory>",
    ["init"],
    "make a reader's, an offline reader's and a writer's key there",
    {
      type: "path",
    },
  ),
  text("--reader <name=key>", ["init"], "a key that reads everything", { list: true }),
  text("--offline <name=key>", ["init"], "a reader's key that is kept elsewhere", { list: true }),
  text("--writer <name=key>", ["init"], "a key that writes, and reads no document", { list: true }),
  flag("--plain", ["init"], "make a repository that is neither encrypted nor signed"),
  flag("--protect", ["key new"], "encrypt the file with the passphrase in THINKBACK_PASSPHRASE"),
  text("--trust <key>", ["key new"], "trust key sets that this key has signed", { list: true }),
  text("--key <key>", ["key add"], "the key's file, or its public text", { mandatory: true }),
  text("--role <role>", ["key add"], "reader or writer", { mandatory: true }),
  flag("--offline", ["key add"], "it is kept where no process of Thinkback runs"),
  flag("--distrust", ["key remove"], "do not believe either what it has signed until now"),
  {
    flag: "--config <file>",
    variable: "THINKBACK_CONFIG",
    type: "path",
    commands: "all",
    description:
      "the configuration file; without it ./thinkback.yaml, or else /etc/thinkback/thinkback.yaml, if there is one",
  },
  { flag: "--json", type: "switch", commands: "all", description: "print the result as JSON" },
];
