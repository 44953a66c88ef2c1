import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that show to others what is known of the backup. */
export function evidencing(program: Command, output: () => Output): void {
  const evidence = program
    .command("evidence")
    .description(
      "make, and check, a signed report of a period: what could be restored, and who proved it",
    );
  evidence
    .command("export", { isDefault: true })
    .description(
      "write the report of a period into a directory, as JSON and as a page, and sign it",
    )
    .action(async (args) =>
      (await import("./evidence.js")).evidenceCommand(args, program.version()!, output()),
    );
  evidence
    .command("check")
    .description("check that a report is unaltered, and tell who signed it")
    .argument("<directory-or-file>")
    .action(async (path, args) =>
      (await import("./evidence.js")).checkEvidenceCommand(path, args, output()),
    );
}
