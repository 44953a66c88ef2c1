import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the command that tries what a backup needs. */
export function doctoring(program: Command, output: () => Output): void {
  program
    .command("doctor")
    .description("try what a backup needs: the store, the source, this machine")
    .action(async (args) => (await import("./doctor.js")).doctorCommand(args, output()));
}
