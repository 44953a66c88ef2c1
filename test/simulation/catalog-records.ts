import type { Catalog } from "../../src/repository/log/catalog.js";

/** The catalog's records of some kinds, in the form of the model: of indexes only the queries that make them. */
export function recordsOf({ records }: Catalog, kinds: string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of records) {
    const [kind] = JSON.parse(key) as string[];
    if (!kinds.includes(kind!)) continue;
    if (kind !== "indexes") found.set(key, value);
    else {
      const { indexes } = JSON.parse(value) as { indexes: { query: string }[] };
      found.set(key, JSON.stringify(indexes.map(({ query }) => query)));
    }
  }
  return found;
}
