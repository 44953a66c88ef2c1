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

/** Segments younger than this are not folded: a writer that takes over needs less time from its look to its claim. */
export const settleMs = 60_000;

/** The options that all commands that maintain have in common. Declares the tiers, if --keep is given. */
export async function maintenanceOptions(
  repository: Repository,
  args: KeepArguments,
  now: Instant,
): Promise<Pick<MaintenanceOptions, "clock" | "owner" | "partial" | "settleMs">> {
  // Urgent, because keeping less is a way to make room on a full disk.
  if (args.keep !== undefined) await declareKeep(new UrgentStore(repository.store), args.keep, now);
  return { clock: systemClock, owner: thisProcess, partial: true, settleMs };
}

/**
 * Throws, with code "full", if the disk was too full for a round to fold all that it wanted to, even if it made room.
 */
export function refuseFull({ full, deleted }: Pick<Maintained, "full" | "deleted">): void {
  if (!full) return;
  const bytes = deleted.reduce((sum, { size }) => sum + size, 0);
  const made = `${counted(deleted.length, "object")}, ${formatBytes(bytes)}, ${deleted.length === 1 ? "was" : "were"} deleted to make room`;
  throw new ThinkbackError("full", `${full.message}; ${made}`, {
    hint:
      deleted.length > 0
        ? "run the command again: it folds then what it could not fold now"
        : "make room on the disk, or keep less with --keep: expired objects are deleted after --grace",
    cause: full,
  });
}

/**
 * The milliseconds of an option's duration. Throws, naming the option, if the text is no duration within the bounds.
 */
export function durationOption(option: string, text: string, minMs = 0, maxMs = Infinity): number {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
  throw new ThinkbackError("usage", `${option} ${text} is not a duration that can be used`, {
    hint: `give it as 30s, 15m or 2h${minMs > 0 ? `, of at least ${minMs / 1000}s` : ""}${Number.isFinite(maxMs) ? ` and at most ${maxMs / 3_600_000}h` : ""}`,
  });
}
