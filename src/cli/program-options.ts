/** Options that several commands have. */
import type { Command } from "commander";

export const collect = (value: string, before: string[]) => [...before, value];

export const repo = [
  "--repo <location>",
  "the repository: a directory, or a bucket such as s3://bucket/prefix",
] as const;
export const at = "--at <time>";
export const gap = [
  "--gap <end>",
  'for an instant inside a gap: take the state "before" or "after" the gap',
] as const;
export const expectHead = [
  "--expect-head <head>",
  "refuse a log that does not have this head, which `thinkback status` printed: its end was cut off",
] as const;
export const keep = [
  "--keep <tiers>",
  'declare how long history is kept, and how finely, such as "all:7d, 1m:30d, 1d:365d"; stored in the repository',
] as const;

/** Adds the options that `run` and `maintain` share: when bases are made, and what is deleted. */
export function maintained(command: Command): Command {
  return command
    .option(...keep)
    .option("--fold-every <duration>", "make new bases at least this often", "1h")
    .option("--fold-at <cron>", "make new bases at these times (UTC)")
    .option(
      "--restore-within <duration>",
      "make new bases when a restore to now would take longer than this",
    )
    .option(
      "--auto",
      "adapt folds, and the ticks of `run`, to measured speeds, within the bounds given",
    )
    .option(
      "--grace <duration>",
      "how long replaced or expired objects stay before they are deleted",
      "15m",
    )
    .option("--no-delete", "delete nothing, for credentials that may not delete")
    .option(
      "--single-writer",
      "you vouch that nothing else writes: for a store that does not refuse a second object under a name",
    );
}
