import type { Command } from "commander";
import { type Environment, passphraseVariable } from "../configuration/settings.js";

export interface KeyArguments {
  /** Key files. */
  identity?: string[];
  /** Verification keys. */
  trust?: string[];
}

/** Gives the process the keys that a command was given, before the command begins. */
export async function takeKeys(command: Command, environment: Environment): Promise<void> {
  // `key new` writes down what to trust, and trusts nothing itself.
  const takes = command.options.some(({ long }) => long === "--identity");
  const { identity = [], trust = [] } = takes ? command.opts<KeyArguments>() : {};
  const { readKeyring, setKeysOfProcess } = await import("../sealing/keyring.js");
  setKeysOfProcess(await readKeyring(identity, trust, environment[passphraseVariable]));
}
