import type { RowStore } from "./row-store.js";

export interface ShardConfig {
  readonly primaryReplica: string;
  readonly replicas: readonly string[];
  readonly nonvotingReplicas: readonly string[];
}

/** The settings of a table that `table_config` shows and changes. */
export interface TableConfig {
  readonly shards: readonly ShardConfig[];
  readonly writeAcks: "single" | "majority";
  readonly durability: "hard" | "soft";
}

/** Shards all on one server. */
export function shardsOn(server: string, count: number): ShardConfig[] {
  return Array.from({ length: count }, () => ({
    primaryReplica: server,
    replicas: [server],
    nonvotingReplicas: [],
  }));
}

/** Where the second and later of a table's shards begin: with as many rows each, or as for UUIDs where there are few. */
export function evenSplits(rows: RowStore, shards: number): string[] {
  const codes = rows.size < shards ? [] : rows.ordered().filter((code) => rows.get(code));
  return Array.from({ length: shards - 1 }, (_, i) => {
    const part = (i + 1) / shards;
    return codes[Math.floor(codes.length * part)] ?? `S${uuidStart(part)}`;
  });
}

function uuidStart(part: number): string {
  return Math.floor(part * 256)
    .toString(16)
    .padStart(2, "0");
}
