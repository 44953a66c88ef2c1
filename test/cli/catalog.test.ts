/** What `thinkback catalog` prints of the differences between two instants. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { catalogCommand } from "../../src/cli/catalog.js";
import { formatInstant } from "../../src/instant.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

let directory: string;
let before: number;
let after: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-catalog-"));
  const repository = await makeRepository(new DirectoryStore(directory));
  const recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["server", "s1"], { id: "s1", name: "one" });
  recording.catalog(["cluster"], { servers: ["s1"] });
  before = await recording.tick();
  recording.catalog(["cluster"], { servers: ["s1", "s2"] });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  recording.catalog(["table", "t1"], { id: "t1", name: "orders", db: "shop", shards });
  recording.catalog(["indexes", "t1"], { indexes: [{ index: "customer" }] });
  recording.catalog(["table", "t2"], { id: "t2", name: "plain", db: "shop", shards });
  recording.catalog(["indexes", "t2"], { indexes: [] });
  recording.catalog(["user", "anna"], { id: "anna", password: true });
  recording.catalog(["permission", "anna"], { id: ["anna"], permissions: { read: true } });
  recording.catalog(["permission", "anna", "d1", "t1"], {
    id: ["anna", "d1", "t1"],
    permissions: { write: true },
  });
  after = await recording.tick();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function printed(args: { at?: string; diff?: string[] }): Promise<string[]> {
  const lines: string[] = [];
  await catalogCommand(
    { repo: directory, ...args },
    {
      json: false,
      line: (text) => void lines.push(text.toString()),
      note: () => undefined,
      paint: (_, text) => text,
      resultText: () => undefined,
      resultParts: () => Promise.resolve(),
      result: () => undefined,
    },
  );
  return lines;
}

test("each difference says what it is of, by names where there are some", async () => {
  expect(await printed({ diff: [formatInstant(before), formatInstant(after)] })).toEqual([
    "changed servers of the cluster",
    '  servers: ["s1"] → ["s1","s2"]',
    "added indexes of shop.orders: customer",
    "added permission of anna on shop.orders",
    "added permission of anna on everything",
    "added table shop.orders",
    "added table shop.plain",
    "added user anna",
  ]);
});

test("users are told apart from none but the built-in one", async () => {
  expect((await printed({ at: formatInstant(before) })).at(-1)).toBe("users: none but admin");
  expect((await printed({ at: formatInstant(after) })).at(-1)).toBe("users: anna");
});

test("an instant that is still to come is refused", async () => {
  const future = formatInstant(Date.now() + 3_600_000);
  await expect(printed({ at: future })).rejects.toThrow("is still to come");
  await expect(printed({ diff: [formatInstant(before), future] })).rejects.toThrow(
    "is still to come",
  );
});

test("of an instant before anything was captured nothing is known", async () => {
  const output = { line: () => undefined, note: () => undefined } as never;
  const asked = formatInstant(before - 3_600_000);
  const refused = { code: "instant" };
  await expect(catalogCommand({ repo: directory, at: asked }, output)).rejects.toMatchObject(
    refused,
  );
  const diff = [asked, formatInstant(after)];
  await expect(catalogCommand({ repo: directory, diff }, output)).rejects.toMatchObject(refused);
});
