import type { Command } from "commander";
import { passphraseVariable } from "./key-files.js";
import { collect } from "./program-options.js";

const identityVariable = "THINKBACK_IDENTITY";
const trustVariable = "THINKBACK_TRUST";

/** Adds the options that give a command the keys of a sealed repository. They are read before the command begins. */
export function keyed(command: Command): void {
  command
    .option(
      "--identity <file>",
      `a key of the sealed repository (or ${identityVariable}; repeatable)`,
      collect,
      [],
    )
    .option(
      "--trust <key>",
      `a verification key whose key sets count (or ${trustVariable}; repeatable)`,
      collect,
      [],
    )
    .hook("preAction", async (_, action) => {
      const args = action.opts<{ identity: string[]; trust: string[] }>();
      const files = givenBy(args.identity, identityVariable);
      const trust = givenBy(args.trust, trustVariable);
      // Processes that are started beside this one take the same keys. These are names of files, not secrets.
      if (files.length > 0) process.env[identityVariable] = files.join("\n");
      if (trust.length > 0) process.env[trustVariable] = trust.join("\n");
      const { readKeyring, setKeysOfProcess } = await import("../sealing/keyring.js");
      setKeysOfProcess(await readKeyring(files, trust, process.env[passphraseVariable]));
    });
}

/** What an option gives; without it, the lines of its variable. */
function givenBy(option: string[], variable: string): string[] {
  if (option.length > 0) return option;
  return (process.env[variable] ?? "").split("\n").filter((line) => line !== "");
}
