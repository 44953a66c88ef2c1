/**
 * One entry of the catalog. Keys:
 *   ["server", <id>]                {id, name}, for every server that was ever seen. With `forgotten` if an operator
 *                                   said that it is gone for good, and it was not seen since
 *   ["cluster"]                     {servers: [<id>]}, the servers that are connected
 *   ["db", <id>]                    {id, name}
 *   ["table", <id>]                 the row of table_config
 *   ["indexes", <table id>]         {indexes: [{index, function, multi, geo, outdated, query}]}
 *   ["user", <name>]                {id, password: whether it has one}
 *   ["permission", <user>, …ids]    the row of permissions
 */
export interface CatalogRecord {
  key: string[];
  value: object;
}

export interface TableConfig {
  id: string;
  name: string;
  /** Name of its database. */
  db: string;
  primary_key: string;
  indexes: string[];
  write_hook: { function: object; query: string } | null;
  shards: { primary_replica: string; replicas: string[]; nonvoting_replicas: string[] }[];
  write_acks: string;
  durability: string;
  /** Set if no replica can be asked, or the row has an unknown form. Then the other fields are not known. */
  error?: string;
}

export interface IndexStatus {
  index: string;
  /** The binary pseudo type that indexCreate takes. */
  function: object;
  multi: boolean;
  geo: boolean;
  outdated: boolean;
  query: string;
}
