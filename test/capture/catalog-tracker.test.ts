/** Of which write hooks that are gone an operator is told. */
import { expect, test } from "vitest";
import { CatalogTracker } from "../../src/capture/catalog-tracker.js";
import type { TableConfig } from "../../src/catalog-record.js";
import { Catalog } from "../../src/repository/log/catalog.js";
import type { LogWriter } from "../../src/repository/log/log-writer.js";
import { guardText } from "../../src/restore/guard.js";
import { refusalOf, tagOf } from "../../src/restore/tag.js";

/** A hook as the server shows one: its function is bytes, in which its texts stand. */
const hookOf = (text: string): TableConfig["write_hook"] => ({
  function: {
    $reql_type$: "BINARY",
    data: Buffer.from(`$reql_write_hook_function$\u0000${text}\u0000`).toString("base64"),
  },
  query: "setWriteHook(function(a, b, c) { … })",
});

const tag = refusalOf({ restore: "0123", asked: null, at: 1 });

/** The names of the tables of which it is told, after the hook of one becomes each of these. */
function told(...hooks: TableConfig["write_hook"][]): string[] {
  const found: string[] = [];
  const log = {
    appendRecord: () => 1,
  } as unknown as LogWriter;
  const tracker = new CatalogTracker(
    log,
    new Catalog(new Map()),
    ({ name }) => void found.push(name),
  );
  for (const write_hook of hooks) {
    const shards = [{ primary_replica: "s", replicas: ["s"], nonvoting_replicas: [] }];
    const settings = { primary_key: "id", indexes: [], write_acks: "majority", durability: "hard" };
    const value = { id: "t", name: "orders", db: "shop", ...settings, shards, write_hook };
    const structure = [{ key: ["table", "t"], value }];
    tracker.update({ servers: [], beyond: [], structure, access: undefined });
  }
  return found;
}

test("somebody's hook", () => {
  expect(told(hookOf("a hook of the application"), null)).toEqual(["orders"]);
  expect(told(null, hookOf("one"), hookOf("two"), null)).toEqual(["orders"]);
});

test.each([
  ["the tag of a restore, at its end", tag],
  ["the guard of a standby, when it is finished", guardText],
])("not %s", (_, text) => {
  expect(told(hookOf(text), null)).toEqual([]);
  expect(told(null, hookOf(text), hookOf("of the application"))).toEqual([]);
  // What the restore has put in its place is told of as any other.
  expect(told(hookOf(text), hookOf("of the application"), null)).toEqual(["orders"]);
});

test("the hooks here are what a restore and a standby put there", () => {
  expect(tagOf(hookOf(tag))).toMatchObject({ restore: "0123" });
});
