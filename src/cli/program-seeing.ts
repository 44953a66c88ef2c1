import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that show what happened, before anything is taken back. */
export function seeing(program: Command, output: () => Output): void {
  program
    .command("mark")
    .description("give an instant a name, such as that of a deployment")
    .argument("<text>", 'such as "deploy 42"')
    .action(async (text, args) => (await import("./mark.js")).markCommand(text, args, output()));
}
