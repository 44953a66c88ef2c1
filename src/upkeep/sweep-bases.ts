/** What a sweep deletes of the bases: manifests that were expired, and parts that no other manifest refers to. */
import { isDamage } from "../errors.js";
import { parseBasePrefix, parseManifestName } from "../format/names.js";
import { readManifest } from "../repository/bases/base.js";
import type { LogView } from "../repository/log/log-view.js";
import type { ObjectStore, StoredObject } from "../storage/object-store.js";
import type { IsPast, Leftovers } from "./leftovers.js";

/** The objects of bases that can be deleted; manifests come before parts. */
export async function sweepBases(
  store: ObjectStore,
  view: LogView,
  isPast: IsPast,
  leftovers: Leftovers,
): Promise<StoredObject[]> {
  const expired = view.expiry?.bases ?? {};
  const manifests = new Map<string, StoredObject>();
  const parts: StoredObject[] = [];
  const referenced = new Set<string>();
  /** Tables with a manifest that cannot be read: what it refers to is not known. */
  const unknown = new Set<string>();
  for await (const object of store.list("bases/")) {
    const parsed = parseManifestName(object.name);
    if (!parsed) {
      parts.push(object);
    } else if (Object.hasOwn(expired, object.name) && isPast(expired[object.name]!)) {
      manifests.set(object.name, object);
    } else {
      try {
        const manifest = await readManifest(store, object.name);
        for (const { name, keys } of manifest.parts) referenced.add(name).add(keys.name);
      } catch (error) {
        if (!isDamage(error)) throw error;
        unknown.add(parsed.table);
      }
    }
  }
  const unreferenced: StoredObject[] = [];
  for (const part of parts) {
    const base = parseBasePrefix(part.name);
    if (!base || unknown.has(base.table) || referenced.has(part.name)) continue;
    if (!(await leftovers.mayBePublished(base.prefix, manifests))) unreferenced.push(part);
  }
  return [...manifests.values(), ...unreferenced];
}
