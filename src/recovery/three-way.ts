/**
 * Takes a change of a document back while what others have changed since stays. Three versions decide on each field:
 * what it was before the change, what the change made of it, and what it is now.
 */
import { type FieldPath, isSame, type Node, textOf, treeOf } from "./field-tree.js";

export interface Versions {
  /** The document's text before the change, and after it; null where there is no document. */
  before: Buffer | null;
  after: Buffer | null;
  live: Buffer | null;
}

export interface TakenBack {
  /** The document without the change; a field in conflict is as it is now, unless conflicts are forced. */
  document: Buffer | null;
  /** Fields that the change has set and that were set to something else since. */
  conflicts: FieldPath[];
}

/** @param force fields in conflict become what they were before the change */
export function takeBack({ before, after, live }: Versions, force = false): TakenBack {
  const conflicts: FieldPath[] = [];
  const merge = (
    was: Node | undefined,
    made: Node | undefined,
    is: Node | undefined,
    path: FieldPath,
  ): Node | undefined => {
    if (isSame(was, made) || isSame(is, was)) return is;
    if (isSame(is, made)) return was;
    if (was instanceof Map && made instanceof Map && is instanceof Map) {
      const merged = new Map<string, Node>();
      const names = new Set([...was.keys(), ...made.keys(), ...is.keys()]);
      for (const name of [...names].sort()) {
        const value = merge(was.get(name), made.get(name), is.get(name), [...path, name]);
        if (value !== undefined) merged.set(name, value);
      }
      return merged;
    }
    conflicts.push(path);
    return force ? was : is;
  };
  const merged = merge(nodeOf(before), nodeOf(after), nodeOf(live), []);
  const document = merged === undefined ? null : textOf(merged);
  return { document, conflicts };
}

const nodeOf = (text: Buffer | null) => (text === null ? undefined : treeOf(text));
