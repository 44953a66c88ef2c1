import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { durationMs, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { declareKeep } from "../repository/registers/settings.js";
import { UrgentStore } from "../storage/urgent-store.js";
import type { Maintained, MaintenanceOptions } from "../upkeep/maintain.js";
import { counted, formatBytes } from "./output.js";

export interface KeepArguments {
  keep?: string;
}

/** Segments younger than this are not folded. Longer than any writer that takes over needs from its look to its claim. */
export const settleMs = 60_000;

/** What all commands that maintain have in common; declares the tiers, if some were given. */
export async function maintenanceOptions(
  repository: Repository,
  args: KeepArguments,
  now: Instant,
): Promise<Pick<MaintenanceOptions, "clock" | "owner" | "partial" | "settleMs">> {
  // To keep less is how room is made.
  if (args.keep !== undefined) await declareKeep(new UrgentStore(repository.store), args.keep, now);
  return { clock: systemClock, owner: thisProcess, partial: true, settleMs };
}

/** Throws, with code "full", if a round could not fold all that it wanted to, whatever room it has made. */
export function refuseFull({ full, deleted }: Pick<Maintained, "full" | "deleted">): void {
  if (!full) return;
  const bytes = deleted.reduce((sum, { size }) => sum + size, 0);
  const made = `${counted(deleted.length, "object")}, ${formatBytes(bytes)}, ${deleted.length === 1 ? "was" : "were"} deleted to make room`;
  throw new ThinkbackError("full", `${full.message}; ${made}`, {
    hint:
      deleted.length > 0
        ? "run it again: what could not be folded is folded then"
        : "make room on the disk, or keep less with --keep; what is expired is deleted after --grace",
    cause: full,
  });
}

/** A duration that an option gives; throws, naming the option, if it is not one. */
export function durationOption(option: string, text: string, minMs = 0, maxMs = Infinity): number {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
  throw new ThinkbackError("usage", `${option} ${text} is not a duration that can be used`, {
    hint: `give it as 30s, 15m or 2h${minMs > 0 ? `, of at least ${minMs / 1000}s` : ""}${Number.isFinite(maxMs) ? ` and at most ${maxMs / 3_600_000}h` : ""}`,
  });
}
