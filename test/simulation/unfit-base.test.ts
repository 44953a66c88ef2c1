/** Bases that a resync may not begin from: one that expires meanwhile, and copies that no record tells of. */
import { beforeEach, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { parseManifestName, repositoryName } from "../../src/format/names.js";
import { intervalAt } from "../../src/repository/coverage/coverage.js";
import { nextExpiry, putExpiry } from "../../src/repository/registers/expiry.js";
import { type ObjectStore, StoreForbidden } from "../../src/storage/object-store.js";
import { laterJson } from "../format/later-version.js";
import { newestBase, readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { ProcessLife } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";
import { verifyRepository } from "./stored-objects.js";

let world: SmallWorld;
let table: string;

const put = (id: string) => world.cluster.write("test", "orders", { put: { id } });

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  table = world.cluster.createTable("test", "orders");
  for (let i = 0; i < 5; i += 1) put(`order-${i}`);
});

/** What the table went through. */
function states(): string[] {
  return world.states.map((text) => text.split(" is ")[1]!.split(" ")[0]!);
}

async function manifests(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of world.store.list("bases/")) {
    if (parseManifestName(name)) names.push(name);
  }
  return names;
}

async function expectRestored(): Promise<void> {
  const { frontier } = (await readCoverage(world.store)).get(table)!;
  const restored = await restoredState(world.store, table, frontier!);
  expect(restored).toEqual(world.cluster.documents("test", "orders"));
}

/** The last base is missed if it is lost: coverage and verify say so. */
async function expectMissed(): Promise<void> {
  const { store } = world;
  await verifyRepository(store);
  await store.delete((await manifests()).at(-1)!);
  const coverage = (await readCoverage(store)).get(table)!;
  expect(intervalAt(coverage, coverage.frontier!)?.class).toBe("damaged");
  await expect(verifyRepository(store)).rejects.toThrow(/manifest\.json.*it is missing/);
}

test("a resync whose base is expired while it scans ends in a copy", async () => {
  const first = world.startWriter();
  await world.pass(5000);
  first.life.kill();
  put("order-5");
  expect(states()).toEqual(["copying", "live"]);
  world.startWriter({
    takeOver: true,
    wrapSource: (source) =>
      overriding(source, {
        scan: async function* (of, options) {
          if (states().at(-1) === "resyncing") await expireSome(world.store, world.time.trueMs);
          yield* source.scan(of, options);
        },
      }),
  });
  await world.pass(20_000);
  expect(states().slice(2)).toEqual(["resyncing", "copying", "live"]);
  expect(await newestBase(world.store, table, world.time.trueMs)).toBeDefined();
  await expectRestored();
});

test.each([
  ["is of a later version", later],
  ["may not be read", forbidden],
])("a base that %s costs its own table a copy, and no other table anything", async (_, unfit) => {
  world.cluster.createTable("test", "others");
  world.cluster.write("test", "others", { put: { id: "a" } });
  const first = world.startWriter();
  await world.pass(5000);
  first.life.kill();
  const [name] = (await manifests()).filter((one) => one.includes(table));
  put("order-5");
  const begun = world.states.length;
  const writer = world.startWriter({ takeOver: true, store: await unfit(name!) });
  await world.pass(20_000);
  expect(writer.outcome).toBeUndefined();
  const after = world.states.slice(begun).map((text) => text.split(" ").slice(0, 3).join(" "));
  const of = (name: string) => after.filter((text) => text.startsWith(name));
  expect(of("orders").at(-1)).toBe("orders is live");
  expect(of("orders")).toContain("orders is copying");
  expect(of("others")).not.toContain("others is copying");
  await expectRestored();
});

/** The store with a manifest that a later version of Thinkback has written. */
async function later(name: string): Promise<ObjectStore> {
  const bytes = await world.store.get(name);
  await world.store.delete(name);
  await world.store.put(name, laterJson(bytes));
  return world.store;
}

async function forbidden(name: string): Promise<ObjectStore> {
  return overriding(world.store, {
    get: (of, ...range) =>
      of === name
        ? Promise.reject(new StoreForbidden(name, undefined))
        : world.store.get(of, ...range),
  });
}

test("a copy whose feed is lost while its last part is stored is not published", async () => {
  const life = new ProcessLife(world.time);
  let manifestsThen: string[] | undefined;
  const store = storing(/\/part-/, async (put) => {
    world.cluster.dropConnections();
    await new Promise<void>((resolve) => life.after(50, resolve));
    await put();
    life.after(100, () => void manifests().then((names) => (manifestsThen = names)));
  });
  world.startWriter({ life, store });
  await world.pass(20_000);
  put("later");
  await world.pass(10_000);
  expect(states()).toEqual(["copying", "opening", "copying", "live"]);
  expect(manifestsThen).toEqual([]);
  await expectRestored();
  await expectMissed();
});

test("a copy that was published right before a kill is not resynced from, for no record tells of it", async () => {
  const life = new ProcessLife(world.time);
  const store = storing(/\/manifest\.json$/, async (put) => {
    await put();
    life.kill();
    await new Promise(() => undefined);
  });
  world.startWriter({ life, store });
  await world.pass(5000);
  expect(await manifests()).toHaveLength(1);
  put("later");
  world.startWriter({ takeOver: true });
  await world.pass(20_000);
  expect(states()).toEqual(["copying", "copying", "live"]);
  await expectRestored();
  await expectMissed();
});

/** The world's store; the first put of such a name is done by `first`. */
function storing(pattern: RegExp, first: (put: () => Promise<void>) => Promise<void>): ObjectStore {
  const { store } = world;
  let isFirst = true;
  const putFirst = async (name: string, bytes: Uint8Array) => {
    const wanted = isFirst && pattern.test(name);
    if (!wanted) return store.put(name, bytes);
    isFirst = false;
    await first(() => store.put(name, bytes));
  };
  return overriding(store, { put: putFirst });
}

/** Publishes that no base is used any more. */
async function expireSome(store: ObjectStore, now: number): Promise<void> {
  const expiry = nextExpiry(undefined, now);
  for (const name of await manifests()) expiry.bases[name] = now;
  expect(Object.keys(expiry.bases)).toHaveLength(1);
  await putExpiry(store, expiry);
}
