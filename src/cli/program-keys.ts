import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that make a repository and its keys. */
export function sealing(program: Command, output: () => Output): void {
  program
    .command("init")
    .description("make a sealed repository: encrypted for its readers, and signed by its writers")
    .action(async (args) => (await import("./init.js")).initCommand(args, output()));

  const key = program.command("key").description("make, list, change and prove keys");
  key
    .command("new")
    .description("make a key in a new file")
    .argument("<file>")
    .action(async (file, args) => (await import("./key.js")).newKeyCommand(file, args, output()));
  key
    .command("list")
    .description("list the keys of a repository, and when each was last proven")
    .action(async (args) => (await import("./key.js")).listKeysCommand(args, output()));
  key
    .command("add")
    .description("let one more key read, or write")
    .argument("<name>", "small letters, digits and hyphens")
    .action(async (name, args) => (await import("./key.js")).addKeyCommand(name, args, output()));
  key
    .command("remove")
    .description("write nothing for a key any more")
    .argument("<name>")
    .action(async (name, args) =>
      (await import("./key.js")).removeKeyCommand(name, args, output()),
    );
  key
    .command("card")
    .description("print what to keep with an offline key")
    .action(async (args) => (await import("./key.js")).keyCardCommand(args, output()));
  key
    .command("drill")
    .description("prove that the keys given still open the repository, and store the proof")
    .action(async (args) => (await import("./key.js")).keyDrillCommand(args, output()));
}
