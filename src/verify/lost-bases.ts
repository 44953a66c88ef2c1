/** Bases that must have been there: nothing but the coverage tells of one whose manifest is gone. */
import { baseManifestName, basePrefix, parseBasePrefix, parseCopyUnique } from "../format/names.js";
import { intervalAt } from "../repository/coverage/coverage.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Standing } from "./costs.js";
import type { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { directoryOf } from "./object-kinds.js";

/** A copy that was complete has left a base, and the kept history of a table begins with one. */
export function findLostBases(
  listed: ListedStore,
  { coverage, view }: Standing,
  manifests: Manifests,
  findings: Findings,
): void {
  const known = new Set<string>();
  for (const { table, instant } of manifests.bases.values()) known.add(`${table} ${instant}`);
  for (const of of coverage.values()) {
    for (const copy of of.copies) {
      // The kept history may begin some time after the base that it begins with.
      const first = Math.max(copy, of.intervals[0]?.from ?? copy);
      const isLost = intervalAt(of, first)?.class === "damaged";
      if (!isLost || known.has(`${of.table} ${copy}`)) continue;
      const isCopied = view.expiry?.horizons[of.table]?.base !== copy;
      // A copy's directory is named as those of its parts are, after the epoch that made it; any other base, by chance.
      const unique = isCopied ? copyOf(listed, of.table, view.epochAt(copy)) : undefined;
      const prefix = basePrefix(of.table, copy, unique ?? "");
      const part = unique === undefined ? listed.names(prefix.slice(0, -1)).at(0) : undefined;
      const directory = part ? directoryOf(part) : basePrefix(of.table, copy, unique ?? "…");
      findings.add(baseManifestName(directory), "it is missing");
    }
  }
}

/** What tells apart the last copy of a table in an epoch, by its parts; undefined if none is left. */
function copyOf(listed: ListedStore, table: string, epoch: number | undefined): string | undefined {
  return listed
    .names(`bases/${table}/`)
    .map((name) => parseBasePrefix(name)?.unique)
    .findLast((unique) => epoch !== undefined && parseCopyUnique(unique ?? "") === epoch);
}
