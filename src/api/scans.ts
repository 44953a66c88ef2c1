/** Which tables are scanned now, from what the repository says and what this process knows of its own work. */
import type { Facts } from "../health/facts.js";

interface Scan {
  id: string;
  name: string;
  state: string;
  scanned: { documents: number; bytes: number; ofAbout: number } | null;
  isHere: boolean;
}

const isScanned = (state: string) => /^(opening|copying|resyncing)$/.test(state);

/** @param known the tables that the repository knows of: one that was opened a moment ago may not be among them */
export function scansOf(
  known: readonly { id: string; name: string; state: string }[],
  { tables }: Pick<Facts, "tables">,
): Scan[] {
  const here = [...tables.values()].map(({ id, name, state, scanned }): Scan => {
    return { id, name, state, scanned: scanned ?? null, isHere: true };
  });
  const elsewhere = known
    .filter(({ id }) => !tables.has(id))
    .map(({ id, name, state }): Scan => ({ id, name, state, scanned: null, isHere: false }));
  return [...here, ...elsewhere]
    .filter(({ state }) => isScanned(state))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
