import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { parseSegmentName } from "../../src/format/names.js";

/**
 * Calls back with the name of each segment of an epoch as it appears in the repository's directory, and the time
 * (performance.now()) at which that was noticed. Its directory must be there.
 */
export function watchNewSegments(
  repo: string,
  epoch: number,
  onSegment: (name: string, at: number) => void,
): FSWatcher {
  const directory = `log/${String(epoch).padStart(8, "0")}`;
  let newest = 0;
  return watch(join(repo, directory), (_, file) => {
    const at = performance.now();
    const name = `${directory}/${file}`;
    const sequence = parseSegmentName(name)?.sequence ?? 0;
    // A name comes too when maintenance deletes an old segment.
    if (sequence <= newest) return;
    newest = sequence;
    onSegment(name, at);
  });
}
