/** Rebuilds damaged bases from the base before and the log or, if only keys are damaged, from the base itself. */
import { fold } from "../fold/fold.js";
import { DataObject } from "../format/data-object.js";
import type { Repository } from "../format/description.js";
import { baseManifestName, basePrefix } from "../format/names.js";
import type { Instant } from "../instant.js";
import { type BaseManifest, readManifest } from "../repository/bases/base.js";
import { openPart, partCursor } from "../repository/bases/base-reader.js";
import { BaseWriter } from "../repository/bases/base-writer.js";
import { intervalAt, isExactAt } from "../repository/coverage/coverage.js";
import { LogView } from "../repository/log/log-view.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";
import { checkBasePart } from "./data-checks.js";
import { Findings } from "./findings.js";
import type { Verified } from "./verify.js";

/** A base that counts, and is damaged. */
export interface DamagedBase {
  /** Name of its manifest. */
  name: string;
  table: string;
  instant: Instant;
  manifest: BaseManifest | undefined;
  /** True if all its documents can be read. */
  onlyKeys: boolean;
}

/** The damaged bases, oldest first: each may be rebuilt from one that was rebuilt before it. */
export function damagedBases({ manifests }: Verified, damaged: ReadonlySet<string>): DamagedBase[] {
  const bases: DamagedBase[] = [];
  for (const [name, { table, instant, manifest }] of manifests.bases) {
    const parts = manifest?.parts ?? [];
    const isUnread = damaged.has(name) || parts.some((part) => damaged.has(part.name));
    const onlyKeys = !isUnread && parts.some(({ keys }) => damaged.has(keys.name));
    if (isUnread || onlyKeys) bases.push({ name, table, instant, manifest, onlyKeys });
  }
  return bases.sort((a, b) => a.instant - b.instant);
}

export interface BaseRepair {
  /** Where the new base is written; its store MUST hide all that is damaged. */
  repository: Repository;
  damaged: ReadonlySet<string>;
  /** Letters and digits that no other object's name has. */
  unique: string;
  onRows: (table: string, rows: number) => void;
  /** Checked before anything is published. */
  signal: Pick<AbortSignal, "throwIfAborted">;
}

/** True if a base can be rebuilt, as far as can be said before its sources are read. */
export async function isRepairable(base: DamagedBase, { store }: Repository): Promise<boolean> {
  const { table, instant, onlyKeys } = base;
  if (onlyKeys) return true;
  const look = await RepositoryView.of(store);
  const usable = (await look.bases()).usable.get(table) ?? [];
  const coverage = (await look.coverage()).tables.get(table);
  const isExact = coverage !== undefined && isExactAt(intervalAt(coverage, instant), instant);
  return isExact && usable.some((one) => one.instant <= instant);
}

/**
 * Rebuilds a base. Returns the name of the new manifest, or of a usable base that has the same instant already;
 * undefined if it cannot be rebuilt.
 */
export async function repairBase(
  base: DamagedBase,
  baseRepair: BaseRepair,
): Promise<string | undefined> {
  if (base.onlyKeys) return rewriteKeys(base.manifest!, baseRepair);
  const { repository, unique, onRows, signal } = baseRepair;
  const { table, instant } = base;
  if (!(await isRepairable(base, repository))) return undefined;
  const look = await RepositoryView.of(repository.store);
  const { usable, names } = await look.bases();
  const same = usable.get(table)!.find((one) => one.instant === instant);
  if (same) return names.get(same)!.name;
  const options = { until: instant, tables: [table], unique, onRows, signal };
  const [folded] = await fold(repository, look, options);
  if (!folded?.folded || folded.instant !== instant) return undefined;
  return baseManifestName(basePrefix(table, instant, unique));
}

/** Reads a base to its end; false if anything is wrong with it. */
export async function isWholeBase(store: ObjectStore, name: string): Promise<boolean> {
  const findings = new Findings();
  await findings.during(async () => {
    for (const part of (await readManifest(store, name)).parts) {
      const { object } = await openPart(store, part);
      const { keys } = part;
      const beside = await DataObject.open(store, keys.name, "baseKeys", keys.checksum);
      await checkBasePart(object, beside, part, findings);
    }
  });
  return findings.count === 0;
}

/** Publishes the same documents for the same instant under a new name, with new keys where these are damaged. */
async function rewriteKeys(
  manifest: BaseManifest,
  { repository, damaged, unique, onRows, signal }: BaseRepair,
): Promise<string | undefined> {
  const { store } = repository;
  const { table, primaryKey, instant, logFrom } = manifest;
  const epoch = manifest.epoch ?? (await LogView.read(store)).epochAt(instant);
  if (epoch === undefined) return undefined;
  const writer = new BaseWriter(repository, { table, primaryKey, epoch, begun: instant, unique });
  for (const part of manifest.parts) {
    if (!damaged.has(part.keys.name)) {
      writer.keep(part);
      continue;
    }
    const cursor = partCursor(await openPart(store, part));
    while (await cursor.advance()) {
      const { key, time, sequence, document } = cursor.version;
      writer.add(key, time, sequence, document!);
      await writer.drain();
    }
    onRows(table, writer.rows);
  }
  await writer.finish(instant, logFrom, signal);
  return baseManifestName(basePrefix(table, instant, unique));
}
