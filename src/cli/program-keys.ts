import type { Command } from "commander";
import type { Output } from "./output.js";
import { collect, repo } from "./program-options.js";

/** Defines the commands that make a repository and its keys. */
export function sealing(program: Command, output: () => Output): void {
  program
    .command("init")
    .description("make a sealed repository: encrypted for its readers, and signed by its writers")
    .requiredOption(...repo)
    .option("--keys <directory>", "make a reader's, an offline reader's and a writer's key there")
    .option("--reader <name=key>", "a key that reads everything (repeatable)", collect, [])
    .option(
      "--offline <name=key>",
      "a reader's key that is kept elsewhere (repeatable)",
      collect,
      [],
    )
    .option(
      "--writer <name=key>",
      "a key that writes, and reads no document (repeatable)",
      collect,
      [],
    )
    .option("--plain", "make a repository that is neither encrypted nor signed")
    .action(async (args) => (await import("./init.js")).initCommand(args, output()));

  const key = program.command("key").description("make, list, change and prove keys");
  key
    .command("new")
    .description("make a key in a new file")
    .argument("<file>")
    .option("--protect", "encrypt the file with the passphrase in THINKBACK_PASSPHRASE")
    .option("--trust <key>", "trust key sets that this key has signed (repeatable)", collect, [])
    .action(async (file, args) => (await import("./key.js")).newKeyCommand(file, args, output()));
  key
    .command("list")
    .description("list the keys of a repository, and when each was last proven")
    .requiredOption(...repo)
    .action(async (args) => (await import("./key.js")).listKeysCommand(args, output()));
  key
    .command("add")
    .description("let one more key read, or write, from now on")
    .argument("<name>", "small letters, digits and hyphens")
    .requiredOption(...repo)
    .requiredOption("--key <key>", "the key's file, or its public text")
    .requiredOption("--role <role>", "reader or writer")
    .option("--offline", "it is kept where no process of Thinkback runs")
    .action(async (name, args) => (await import("./key.js")).addKeyCommand(name, args, output()));
  key
    .command("remove")
    .description("write nothing for a key any more")
    .argument("<name>")
    .requiredOption(...repo)
    .option("--distrust", "do not believe either what it has signed until now")
    .action(async (name, args) =>
      (await import("./key.js")).removeKeyCommand(name, args, output()),
    );
  key
    .command("card")
    .description("print what to keep with an offline key")
    .requiredOption(...repo)
    .action(async (args) => (await import("./key.js")).keyCardCommand(args, output()));
  key
    .command("drill")
    .description("prove that the keys given still open the repository, and store the proof")
    .requiredOption(...repo)
    .action(async (args) => (await import("./key.js")).keyDrillCommand(args, output()));
}
