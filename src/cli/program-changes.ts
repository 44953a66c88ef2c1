import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that change live tables. */
export function changing(program: Command, output: () => Output): void {
  program
    .command("undo")
    .description("take back what was changed in live tables, and keep what others changed since")
    .argument("[db.table...]")
    .action(async (tables, args) =>
      (await import("./undo.js")).undoCommand(tables, args, output()),
    );

  program
    .command("rewind")
    .description("bring live tables, or a part of them, back to an instant in place")
    .argument("[db.table...]")
    .action(async (tables, args) =>
      (await import("./rewind.js")).rewindCommand(tables, args, output()),
    );
}
