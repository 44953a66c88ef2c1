/** Finds bases whose manifest is gone: only the coverage tells that they must have been there. */
import { baseManifestName, basePrefix, parseBasePrefix, parseCopyUnique } from "../format/names.js";
import { intervalAt } from "../repository/coverage/coverage.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Standing } from "./costs.js";
import type { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { directoryOf } from "./object-kinds.js";

/** Adds a finding for each missing base that a complete copy made, or that the kept history of a table begins with. */
export function findLostBases(
  listed: ListedStore,
  { coverage, view }: Standing,
  manifests: Manifests,
  findings: Findings,
): void {
  const known = new Set<string>();
  for (const { table, instant } of manifests.bases.values()) known.add(`${table} ${instant}`);
  for (const tableCoverage of coverage.values()) {
    const { table, copies, intervals } = tableCoverage;
    for (const copy of copies) {
      // The kept history may begin some time after the instant of its first base.
      const first = Math.max(copy, intervals[0]?.from ?? copy);
      const isLost = intervalAt(tableCoverage, first)?.class === "damaged";
      if (!isLost || known.has(`${table} ${copy}`)) continue;
      const isCopied = view.expiry?.horizons[table]?.base !== copy;
      // A copy's directory is named after its epoch, so its parts are found by that. Names of other bases are random.
      const unique = isCopied ? copyOf(listed, table, view.epochAt(copy)) : undefined;
      const prefix = basePrefix(table, copy, unique ?? "");
      const part = unique === undefined ? listed.names(prefix.slice(0, -1)).at(0) : undefined;
      const directory = part ? directoryOf(part) : basePrefix(table, copy, unique ?? "…");
      findings.add(baseManifestName(directory), "it is missing");
    }
  }
}

/** The unique text in the name of a table's last copy of an epoch, from its objects; undefined if none is left. */
function copyOf(listed: ListedStore, table: string, epoch: number | undefined): string | undefined {
  return listed
    .names(`bases/${table}/`)
    .map((name) => parseBasePrefix(name)?.unique)
    .findLast((unique) => epoch !== undefined && parseCopyUnique(unique ?? "") === epoch);
}
