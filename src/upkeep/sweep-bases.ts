/** Of the bases: which manifests were expired, and which parts no other manifest refers to. */
import { isDamage } from "../errors.js";
import { parseBasePrefix, parseManifestName } from "../format/names.js";
import { readManifest } from "../repository/bases/base.js";
import type { LogView } from "../repository/log/log-view.js";
import type { ObjectStore, StoredObject } from "../storage/object-store.js";
import type { IsPast, Leftovers } from "./leftovers.js";

/** Manifests before parts. */
export async function sweepBases(
  store: ObjectStore,
  view: LogView,
  isPast: IsPast,
  leftovers: Leftovers,
): Promise<StoredObject[]> {
  const retired = view.expiry?.bases ?? {};
  const manifests = new Map<string, StoredObject>();
  const parts: StoredObject[] = [];
  const referenced = new Set<string>();
  /** Tables with a manifest that cannot be read: what it refers to is not known. */
  const unknown = new Set<string>();
  for await (const object of store.list("bases/")) {
    const said = parseManifestName(object.name);
    if (!said) {
      parts.push(object);
    } else if (Object.hasOwn(retired, object.name) && isPast(retired[object.name]!)) {
      manifests.set(object.name, object);
    } else {
      try {
        const { parts: of } = await readManifest(store, object.name);
        for (const { name, keys } of of) referenced.add(name).add(keys.name);
      } catch (error) {
        if (!isDamage(error)) throw error;
        unknown.add(said.table);
      }
    }
  }
  const unreferenced: StoredObject[] = [];
  for (const part of parts) {
    const of = parseBasePrefix(part.name);
    if (!of || unknown.has(of.table) || referenced.has(part.name)) continue;
    if (!(await leftovers.mayBePublished(of.prefix, manifests))) unreferenced.push(part);
  }
  return [...manifests.values(), ...unreferenced];
}
