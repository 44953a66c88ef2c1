/** Options that several commands have. */

export const collect = (value: string, before: string[]) => [...before, value];

export const repo = ["--repo <directory>", "the repository"] as const;
const severalPlaces = (value: string, before: string[] = []) => [...before, value];
/** Of the command that captures. */
export const replicated = [
  "--repo <directory>",
  "the repository; given several times, also copies of it, which are kept up to date",
  severalPlaces,
] as const;
/** Of commands that read: copies of the repository stand in for each other. */
export const copies = [
  "--repo <directory>",
  "the repository; given several times, copies of it: what one lacks is read from the next",
  severalPlaces,
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
