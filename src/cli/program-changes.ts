import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that change live tables. */
export function changing(program: Command, output: () => Output): void {
  program
    .command("undo")
    .description("take back what was changed in a live table, and keep what others changed since")
    .argument("<db.table>")
    .action(async (table, args) => (await import("./undo.js")).undoCommand(table, args, output()));

  program
    .command("rewind")
    .description("bring a live table, or a part of it, back to an instant in place")
    .argument("<db.table>")
    .action(async (table, args) =>
      (await import("./rewind.js")).rewindCommand(table, args, output()),
    );
}
