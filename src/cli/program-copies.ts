import type { Command } from "commander";
import { keyed } from "./keyed.js";
import type { Output } from "./output.js";

/** Defines the command that copies a repository. */
export function copying(program: Command, output: () => Output): void {
  const copy = program
    .command("copy")
    .description("copy a repository as it is stored, or bring a copy up to date")
    .requiredOption("--from <directory>", "the repository")
    .requiredOption("--to <directory>", "an empty place, or a copy of it")
    .option("--check", "compare the bytes of what is there already, and read back what is copied")
    .option(
      "--mirror",
      "then delete there what the repository has deleted; wants a key of a sealed one",
    )
    .option("--dry-run", "print what would be copied and deleted, and change nothing")
    .action(async (args) => (await import("./copy.js")).copyCommand(args, output()));
  keyed(copy);
}
