/** Documents of one table in the past, read from base and log: all, or those of some keys. */
import type { Repository } from "../format/description.js";
import { mergeLatest } from "../format/merge.js";
import { type KeyFilter, theseKeys } from "../key-filter.js";
import type { OrderCode } from "../key-order.js";
import type { KnownKey } from "../repository/bases/known-state.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import { PlannedLog } from "../restore/planned-log.js";

/** One table of a plan: it says as of which instant, and what of the repository is read. */
export interface PastTable {
  repository: Repository;
  plan: RestorePlan;
  table: PlannedTable;
}

/** The first table of a plan for one table. */
export function pastTable(repository: Repository, plan: RestorePlan): PastTable {
  return { repository, plan, table: plan.tables[0]! };
}

/** All tables of a plan. */
export function pastTables(repository: Repository, plan: RestorePlan): PastTable[] {
  return plan.tables.map((table) => ({ repository, plan, table }));
}

/** A document of the past. Its buffers stay valid. */
export interface PastDocument {
  code: OrderCode;
  /** JSON texts, as the server gives them. */
  key: Buffer;
  document: Buffer;
}

/** The documents of the table in key order: of all keys, or of the wanted ones. */
export async function* documentsOf(
  past: PastTable,
  filter?: KeyFilter,
): AsyncGenerator<PastDocument> {
  const log = await logOf(past, filter);
  try {
    for await (const winners of mergeLatest(log.cursors(past.table))) {
      for (const { code, version } of winners) {
        const { key, document } = version;
        if (document !== null) yield { code, key, document };
      }
    }
  } finally {
    await log.dispose();
  }
}

/** The documents of these keys; a key without a document is not in the map. */
export async function documentsByKey(
  past: PastTable,
  codes: readonly OrderCode[],
): Promise<Map<OrderCode, PastDocument>> {
  const found = new Map<OrderCode, PastDocument>();
  if (codes.length === 0) return found;
  for await (const one of documentsOf(past, theseKeys(codes))) found.set(one.code, one);
  return found;
}

/** The keys of the table's documents and their digests, in key order. Reads no documents of a base. */
export async function* keysOf(past: PastTable): AsyncGenerator<KnownKey> {
  const log = await logOf(past);
  try {
    yield* log.keys(past.table);
  } finally {
    await log.dispose();
  }
}

function logOf({ repository, plan, table }: PastTable, filter?: KeyFilter): Promise<PlannedLog> {
  const { lane } = table;
  const alone = { ...plan, tables: [table], logs: new Map([[lane, plan.logs.get(lane)!]]) };
  return PlannedLog.read(repository, alone, { filterOf: () => filter });
}
