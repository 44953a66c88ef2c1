import type { Command } from "commander";
import type { Output } from "./output.js";
import { collect, repo } from "./program-options.js";

/** Defines the command that tries what a backup needs. */
export function doctoring(program: Command, output: () => Output): void {
  program
    .command("doctor")
    .description("try what a backup needs: the store, the source, this machine")
    .requiredOption(...repo)
    .option("--source <url>", "the source (or THINKBACK_SOURCE; repeatable)", collect, [])
    .option("--spool <directory>", "the spool that `run` will be given")
    .option("--redis <url>", "a Redis for leases: redis://host:6379")
    .option("--read-only", "write nothing to the store; says what was not tried")
    .action(async (args) => (await import("./doctor.js")).doctorCommand(args, output()));
}
