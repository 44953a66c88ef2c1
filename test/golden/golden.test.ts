/** Repositories of every released version of the format, committed as bytes, stay readable for ever. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { digestOf } from "../../src/digest.js";
import { knownKeys } from "../../src/repository/bases/known-state.js";
import { intervalAt } from "../../src/repository/coverage/coverage.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { listAcknowledgements } from "../../src/repository/records/acknowledgement.js";
import { openRepository } from "../../src/repository/repository.js";
import { jsonOfText, textOfJson } from "../../src/server-text.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import {
  catalogAt,
  collect,
  newestBase,
  readAllCoverage,
  readStatus,
  versionAt,
} from "../repository/looks.js";
import { json, restoredAt, segmentChain } from "../repository/recording.js";
import { orders, posts } from "../repository/scenario.js";

interface Expected {
  at: string;
  /** The documents' JSON texts, in key order. */
  orders: string[];
  posts: string[];
}

const place = join(import.meta.dirname, "version-1");
const store = new DirectoryStore(join(place, "repository"));
const expected = JSON.parse(readFileSync(join(place, "expected.json"), "utf8")) as Expected[];
const tables = { orders, posts };
const instantOf = ({ at }: Expected) => Date.parse(at);
const last = instantOf(expected.at(-1)!);

describe("the repository of version 1", () => {
  test("is the one that was committed, byte for byte", () => {
    const files = readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    const all = createHash("sha256");
    for (const file of files) {
      const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
      all.update(`${sum}  ${file.slice(place.length + 1)}\n`);
    }
    // Made by make-version-1.ts. If this fails, the files were altered: get them back from git.
    expect(all.digest("hex")).toBe(
      "69140717fcee9c86ee2a55bb42661b868a9a2d8f4d77a09b3f91ba1f84243ecb",
    );
  });

  describe.each(["orders", "posts"] as const)("gives of %s", (name) => {
    test.each(expected)("the documents at $at", async (at) => {
      expect(at[name].length).toBeGreaterThan(1);
      expect(await restoredAt(store, tables[name], instantOf(at))).toEqual(at[name]);
    });

    test.each(expected)("the keys and digests at $at", async (at) => {
      const base = (await newestBase(store, tables[name], instantOf(at)))!;
      const wanted = [{ table: tables[name], after: base.logFrom }];
      const log = await collect(store, wanted, instantOf(at));
      const digests: string[] = [];
      for await (const { digest } of knownKeys(store, base, log)) digests.push(digest);
      expect(digests).toEqual(at[name].map((document) => digestOf(jsonOfText(document))));
    });

    test.each(expected)("each document by its key at $at", async (at) => {
      const log = await LogView.read(store);
      for (const document of at[name]) {
        const { id } = JSON.parse(document) as { id: unknown };
        const version = await versionAt(log, tables[name], json(id), instantOf(at));
        expect(version?.document && textOfJson(version.document)).toBe(document);
      }
    });
  });

  test("has a base with parts of its own and of the base before", async () => {
    const base = (await newestBase(store, orders, last))!;
    const directories = base.parts.map(({ name }) => name.split("/")[2]);
    expect(new Set(directories).size).toBe(2);
  });

  test("says who it is", async () => {
    expect((await openRepository(store)).description).toMatchObject({
      id: "00000000-0000-4000-8000-0000000000ff",
      created: 0,
    });
  });

  test("has a whole log, of two epochs", async () => {
    const places: string[] = [];
    for await (const segment of segmentChain(store, 0, Number.MAX_SAFE_INTEGER)) {
      for (const frame of segment.index.frames) await segment.readFrame(frame);
      places.push(`${segment.index.footer.epoch}/${segment.index.footer.sequence}`);
    }
    expect(places).toEqual(["1/1", "1/2", "1/3", "1/4", "1/5", "2/1", "2/2", "2/3", "2/4"]);
  });

  test("has the catalog as of any instant", async () => {
    const names = async (at: number) => {
      const catalog = await catalogAt(store, at);
      return catalog.tables().map(({ db, name }) => `${db}.${name}`);
    };
    expect(await names(instantOf(expected[0]!))).toEqual(["shop.orders", "shop.posts"]);
    expect(await names(last)).toEqual(["shop.articles", "shop.orders"]);
    expect(await names(instantOf(expected[0]!) - 1000)).toEqual([]);
  });

  test("has the coverage that was recorded", async () => {
    const { tables: coverage, catalog, access } = await readAllCoverage(store);
    const classes = (table: string) => coverage.get(table)!.intervals.map((i) => i.class);
    expect(classes(orders)).toEqual(["exact", "late", "exact", "gap", "exact"]);
    expect(coverage.get(orders)!.intervals[1]!.lateMs).toBe(2500);
    for (const of of [catalog, access]) {
      expect(of!.intervals.map((i) => i.class)).toEqual(["exact", "gap", "exact"]);
    }
    expect(classes(posts)).toEqual(["exact", "gap", "gap", "exact"]);
    expect(coverage.get(posts)!.intervals[1]!.reason).toBe('broken version chain at key "p1"');
    expect(coverage.get(orders)!.frontier).toBe(last);
    expect(intervalAt(coverage.get(posts)!, last)).toBeUndefined();
    expect(coverage.get(orders)!.intervals[3]!.reason).toBe("capture was not running");
  });

  test("has the acknowledgement of its gap", async () => {
    expect(await listAcknowledgements(store)).toMatchObject([
      { table: orders, note: "the night of the move", at: last },
    ]);
  });

  test("has the numbers of its status", async () => {
    const { tables: status, segments } = await readStatus(await openRepository(store));
    expect(segments).toBe(9);
    expect(status.map(({ name, changes, documents }) => [name, changes, documents])).toEqual([
      ["shop.articles", 5, expected.at(-1)!.posts.length],
      ["shop.orders", 10, expected.at(-1)!.orders.length],
    ]);
  });
});
