import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";

/** The path without symbolic links, as far as it exists. */
export function realPathOf(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync(whole);
  } catch (error) {
    const isMissing =
      (error as NodeJS.ErrnoException).code === "ENOENT" && dirname(whole) !== whole;
    return isMissing ? join(realPathOf(dirname(whole)), basename(whole)) : whole;
  }
}

/** True if the second path is the first one, or lies below it. */
export function isWithin(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
