import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that keep a server with the past, or with the present. */
export function standing(program: Command, output: () => Output): void {
  program
    .command("preview")
    .description("show the past on a throw-away server, until stopped")
    .action(async (args) => (await import("./preview.js")).previewCommand(args, output()));

  program
    .command("follow")
    .description("keep another server some seconds behind, as a warm standby")
    .action(async (args) => (await import("./follow.js")).followCommand(args, output()));
}
