import type { Command } from "commander";
import type { Surroundings } from "./configured.js";
import type { Output } from "./output.js";

/** Defines the commands that look at the configuration. */
export function configuring(
  program: Command,
  output: () => Output,
  surroundings: Surroundings,
): void {
  const config = program
    .command("config")
    .description("check or show what the configuration file and the environment say");
  config
    .command("check")
    .description("say whether the file and the variables are valid, and what is wrong")
    .action(async (_, command) =>
      (await import("./config.js")).checkConfigCommand(command, surroundings, output()),
    );
  config
    .command("show")
    .description("print the value of each key, and where it comes from, without passwords")
    .action(async (_, command) =>
      (await import("./config.js")).showConfigCommand(command, surroundings, output()),
    );
}
