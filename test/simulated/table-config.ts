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
