import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the command that puts a restored table in the live one's place. */
export function promoting(program: Command, output: () => Output): void {
  program
    .command("promote")
    .description("swap a table that was restored beside the live one with it, by their names")
    .argument("<db.table>", "the restored table; with --from or --back, the live one")
    .action(async (table, args) =>
      (await import("./promote.js")).promoteCommand(table, args, output()),
    );
}
