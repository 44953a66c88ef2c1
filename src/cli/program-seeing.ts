import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that show what happened, before anything is taken back. */
export function seeing(program: Command, output: () => Output): void {
  program
    .command("history")
    .description("print every version of one document that is kept, and what changed in each")
    .argument("<db.table>")
    .argument("<key>", "the primary key: a string, or JSON")
    .action(async (table, key, args) =>
      (await import("./history.js")).historyCommand(table, key, args, output()),
    );

  program
    .command("diff")
    .description("print what differs in a table between two instants, or from an instant to now")
    .argument("<db.table>")
    .action(async (table, args) => (await import("./diff.js")).diffCommand(table, args, output()));

  program
    .command("table")
    .description("print what is kept of one table: its schemas, its bases, its log")
    .argument("<db.table>")
    .action(async (table, args) =>
      (await import("./table.js")).tableCommand(table, args, output()),
    );

  program
    .command("points")
    .description("list instants worth choosing: drops, bursts of deletes, marks, pins, operations")
    .argument("[db.table]", "only points of this table; of all tables if not given")
    .action(async (table, args) =>
      (await import("./points.js")).pointsCommand(table, args, output()),
    );

  program
    .command("mark")
    .description(
      "give an instant a name, such as that of a deployment; `mark list` lists the names",
    )
    .argument("<text...>", 'such as "deploy 42", in quotes; or list; or add and a text')
    .action(async (words, args) => (await import("./mark.js")).markCommand(words, args, output()));
}
