import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the command that copies a repository. */
export function copying(program: Command, output: () => Output): void {
  program
    .command("copy")
    .description("copy a repository as it is stored, or bring a copy up to date")
    .action(async (args) => (await import("./copy.js")).copyCommand(args, output()));
}
