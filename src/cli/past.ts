import type { Command } from "commander";
import { systemClock } from "../clock.js";
import { parseInstant } from "../instant.js";
import { asOf } from "../storage/store-at.js";

/** Lets a command read its repository as the store kept it at the instant of --store-as-of. */
export function takePast(command: Command): void {
  const { storeAsOf, repo } = command.opts<{ storeAsOf?: string; repo: string[] }>();
  if (storeAsOf === undefined) return;
  const instant = parseInstant(storeAsOf, systemClock.now());
  const past = repo.map((location) => asOf(location, instant));
  command.setOptionValue("repo", past);
}
