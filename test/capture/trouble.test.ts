import { describe, expect, test } from "vitest";
import {
  ChangesMissed,
  FeedOverflowed,
  HeartbeatMissed,
  troubleOf,
} from "../../src/capture/trouble.js";
import { damaged, newerFormat, ThinkbackError } from "../../src/errors.js";
import { JsonBytesError } from "../../src/json-bytes.js";
import { ConnectionLost, errorClasses, ReqlError } from "../../src/rethinkdb/response.js";
import { ForeignCluster } from "../../src/rethinkdb/source.js";
import { TableReplaced } from "../../src/rethinkdb/table-reference.js";
import {
  ObjectMissing,
  StoreForbidden,
  StoreFull,
  StoreUnavailable,
} from "../../src/storage/object-store.js";

const table = { id: "1", db: "shop", name: "orders", primaryKey: "id" };

function thrownBy(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe("a loss", () => {
  test.each([
    ["a connection that is gone", new ConnectionLost(new Error("ECONNRESET"))],
    ["a feed that was aborted", new ReqlError("Changefeed aborted", errorClasses.opFailed)],
    ["a missing grant", new ReqlError("no `read` permission", errorClasses.permission)],
    ["a sanity check of the server's", new ReqlError("SANITY CHECK", errorClasses.internal)],
    ["a server that is not there", new ThinkbackError("source", "cannot connect")],
    ["another cluster", new ForeignCluster("db1:28015")],
    ["a table in place of another", new TableReplaced(table)],
    ["a queue that overflowed", new FeedOverflowed("Changefeed cache over array size limit")],
    ["a change that was missed", new ChangesMissed("broken version chain")],
    ["a heartbeat that was missed", new HeartbeatMissed("the server did not answer")],
    ["a store that fails", new StoreUnavailable("EIO: i/o error")],
    ["an object that is away", new ObjectMissing("bases/a/manifest.json")],
  ])("is %s", (_, error) => {
    expect(troubleOf(error)).toBe("loss");
  });
});

describe("a defect", () => {
  const nothing = undefined as unknown as { length: number };
  test.each([
    ["what is not there and is used", thrownBy(() => nothing.length)],
    ["a number out of its range", thrownBy(() => Buffer.alloc(1).readUInt32LE(0))],
    ["a text that is no JSON", thrownBy(() => JSON.parse("{") as unknown)],
    ["a name that is not there", new ReferenceError("x is not defined")],
    ["a row of an unknown form", new JsonBytesError("no comma at byte 3")],
    ["a query that is wrong", new ReqlError("Expected type", errorClasses.queryLogic)],
    ["a key out of order", new ThinkbackError("internal", "key 1 came out of order")],
    ["a stored object that nobody foresaw to be damaged", damaged("bases/a", "it is cut short")],
    ["what is no error", "a text"],
    ["nothing", undefined],
  ])("is %s", (_, error) => {
    expect(troubleOf(error)).toBe("defect");
  });
});

describe("common to all tables", () => {
  test.each([
    ["a store that is full", new StoreFull("bases/a/part-0", new Error("ENOSPC"))],
    ["a store that may not be written", new StoreForbidden("bases", new Error("EACCES"))],
    ["an object of a later version", newerFormat("bases/a/manifest.json", 2, 1)],
    ["another writer", new ThinkbackError("fenced", "another writer has taken over")],
  ])("is %s", (_, error) => {
    expect(troubleOf(error)).toBe("common");
  });
});
