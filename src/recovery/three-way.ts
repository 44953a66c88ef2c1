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

/** Which fields of a document are taken back: all, if it has no member. Paths have dots between their names. */
export interface MeantFields {
  /** Only these. A document that was made or deleted as a whole stays as it is. */
  only?: readonly string[];
  /** These are what they are, and are no conflict. */
  ignored?: readonly string[];
}

/**
 * What is taken back if only some fields are meant: in the others the document was always as it is now.
 * @returns undefined if nothing of the document is meant
 */
export function meant(
  versions: Versions,
  { only, ignored = [] }: MeantFields,
): Versions | undefined {
  const { before, after, live } = versions;
  if (!only && ignored.length === 0) return versions;
  if (only && (before === null || after === null || live === null)) return undefined;
  if (live === null) return versions;
  const now = treeOf(live);
  const of = (text: Buffer | null) => {
    if (text === null) return null;
    const tree = treeOf(text);
    const seen = only ? only.reduce((to, path) => withField(to, path, tree), now) : tree;
    return textOf(ignored.reduce((to, path) => withField(to, path, now), seen));
  };
  return { before: of(before), after: of(after), live };
}

/** A tree with the field at a path as another tree has it. */
function withField(tree: Node, path: string, from: Node): Node {
  const names = path.split(".").map((name) => JSON.stringify(name));
  const copied = (
    to: Node | undefined,
    other: Node | undefined,
    depth: number,
  ): Node | undefined => {
    if (depth === names.length) return other;
    if (to !== undefined && !(to instanceof Map)) return to;
    const name = Buffer.from(names[depth]!).toString("latin1");
    const inner = other instanceof Map ? other.get(name) : undefined;
    const value = copied(to?.get(name), inner, depth + 1);
    if (value === undefined && !to?.has(name)) return to;
    const copy = new Map(to);
    if (value === undefined) copy.delete(name);
    else copy.set(name, value);
    return copy;
  };
  return copied(tree, from, 0) ?? tree;
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
