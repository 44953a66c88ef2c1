/** The audit for people: what began and what became of it, as one. */
import type { Audit } from "../app/answers.js";

export type Entry = Audit["entries"][number];

export interface Deed extends Entry {
  /** When it began, if it was a change. */
  began?: string;
}

const sameAs = ({ actor, what, over, address }: Entry): string =>
  JSON.stringify([actor, what, over, address]);

/** A change has two entries. They become one, at the place of its end; one without an end stays as it is. */
export function deedsIn(entries: readonly Entry[]): Deed[] {
  const begun = new Map<string, Entry[]>();
  const ended = new Set<Entry>();
  const deeds = entries.map((entry): Deed => {
    const key = sameAs(entry);
    const open = begun.get(key) ?? [];
    if (entry.outcome === "begins") {
      begun.set(key, [...open, entry]);
      return entry;
    }
    const [first, ...rest] = open;
    if (!first) return entry;
    begun.set(key, rest);
    ended.add(first);
    return { ...entry, began: first.at };
  });
  return deeds.filter((_, i) => !ended.has(entries[i]!));
}
