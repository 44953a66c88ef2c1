/**
 * The official JavaScript driver, which ships without types, seen as tests use it: to build terms, and to connect.
 */
import { createRequire } from "node:module";

type TermMethod =
  | "add"
  | "and"
  | "append"
  | "asc"
  | "avg"
  | "between"
  | "binary"
  | "bitXor"
  | "branch"
  | "changes"
  | "coerceTo"
  | "concatMap"
  | "config"
  | "contains"
  | "count"
  | "db"
  | "dbCreate"
  | "dbDrop"
  | "dbList"
  | "default"
  | "delete"
  | "desc"
  | "distinct"
  | "div"
  | "do"
  | "downcase"
  | "epochTime"
  | "eq"
  | "error"
  | "expr"
  | "filter"
  | "forEach"
  | "ge"
  | "geojson"
  | "get"
  | "getAll"
  | "getField"
  | "getWriteHook"
  | "grant"
  | "group"
  | "gt"
  | "hasFields"
  | "indexCreate"
  | "indexDrop"
  | "indexList"
  | "indexRename"
  | "indexStatus"
  | "indexWait"
  | "info"
  | "insert"
  | "isEmpty"
  | "ISO8601"
  | "json"
  | "keys"
  | "le"
  | "limit"
  | "line"
  | "literal"
  | "lt"
  | "map"
  | "match"
  | "max"
  | "merge"
  | "min"
  | "mod"
  | "mul"
  | "ne"
  | "not"
  | "now"
  | "nth"
  | "object"
  | "or"
  | "orderBy"
  | "pluck"
  | "point"
  | "polygon"
  | "prepend"
  | "random"
  | "range"
  | "rebalance"
  | "reconfigure"
  | "reduce"
  | "replace"
  | "sample"
  | "setWriteHook"
  | "skip"
  | "slice"
  | "split"
  | "status"
  | "sub"
  | "sum"
  | "sync"
  | "table"
  | "tableCreate"
  | "tableDrop"
  | "tableList"
  | "toEpochTime"
  | "toISO8601"
  | "toJSON"
  | "toJsonString"
  | "typeOf"
  | "ungroup"
  | "union"
  | "upcase"
  | "update"
  | "uuid"
  | "values"
  | "wait"
  | "without"
  | "zip"
  | "args"
  | "fold"
  | "withFields";

/** A ReQL term under construction. Calling it reads a field or an element. */
export type Term = ((key: unknown) => Term) & {
  readonly [method in TermMethod]: (...args: unknown[]) => Term;
} & {
  /** The wire form: `[id, [args], {optargs}]`. */
  build(): unknown;
  run(connection: DriverConnection, options?: Record<string, unknown>): Promise<unknown>;
};

export interface DriverConnection {
  close(options?: { noreplyWait: boolean }): Promise<void>;
  on(event: "close" | "error", listener: () => void): void;
}

export type Driver = Term & {
  connect(options: {
    host: string;
    port: number;
    user?: string;
    password?: string;
  }): Promise<DriverConnection>;
  readonly minval: Term;
  readonly maxval: Term;
};

export const r = createRequire(import.meta.url)("rethinkdb") as Driver;
