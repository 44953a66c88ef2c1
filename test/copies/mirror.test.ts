/** What a mirror deletes at the target, and when it must not delete anything. */
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type CopyArguments, copyCommand } from "../../src/cli/copy.js";
import { isSignal } from "../../src/copies/copy-order.js";
import { planMirror } from "../../src/copies/mirror.js";
import { holdPrefix, segmentName } from "../../src/format/names.js";
import { holdKind } from "../../src/repository/registers/holds.js";
import { putNumbered } from "../../src/repository/registers/numbered.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { namesIn } from "../repository/recording.js";
import { verifyRepository } from "../simulation/stored-objects.js";
import { makeWorld, owner, type World } from "../verify/world.js";

let world: World;
/** The world in a directory, which is copied for each test: to put it takes longer. */
let template: string;
let directory: string;
let source: DirectoryStore;
let target: DirectoryStore;

beforeAll(async () => {
  world = await makeWorld();
  template = await mkdtemp(join(tmpdir(), "thinkback-mirror-"));
  const store = new DirectoryStore(template);
  for (const name of await copied(world.store)) await store.put(name, await world.store.get(name));
});

afterAll(() => rm(template, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-mirror-"));
  source = new DirectoryStore(join(directory, "source"));
  target = new DirectoryStore(join(directory, "target"));
  for (const { location } of [source, target]) await cp(template, location, { recursive: true });
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const copied = async (store: ObjectStore) =>
  (await namesIn(store)).filter((name) => !isSignal(name));

async function copy(given: Partial<CopyArguments> = {}) {
  const [from, to] = [source.location, target.location];
  let result: object = {};
  const output = {
    json: true,
    line: () => undefined,
    note: () => undefined,
    paint: (_: string, text: string) => text,
    resultText: () => undefined,
    resultParts: () => Promise.resolve(),
    result: (value: object) => {
      result = value;
    },
  };
  await copyCommand({ from, to, mirror: true, ...given }, output);
  return result as { objects: number; deleted: { objects: number } | null };
}

/** The source folds, expires and deletes. */
async function maintainSource(): Promise<void> {
  world.clock.instant = world.instants.last + 40 * 3_600_000;
  const how = { partial: true, settleMs: 0, expires: true, graceMs: 0 };
  const { description } = world.repository;
  const of = { clock: world.clock, owner, unique: "busy", ...how };
  const observer = { onRows: () => undefined, phase: () => undefined };
  await maintain({ store: source, description }, of, observer);
}

test("what the source has deleted goes, and nothing else", async () => {
  const own = "drills/000001795000000000-0123456789ab.json";
  await target.put(own, await world.store.get((await namesIn(world.store, "drills/"))[0]!));
  await maintainSource();
  const before = await namesIn(target);
  const planned = (await copy({ dryRun: true })).deleted!.objects;
  expect(await namesIn(target)).toEqual(before);
  const { deleted, objects } = await copy();
  expect(deleted!.objects).toBe(planned);
  expect(planned).toBeGreaterThan(50);
  expect(objects).toBeGreaterThan(3);
  expect(await copied(target)).toEqual([...(await copied(source)), own].sort());
  await target.delete(own);
  await verifyRepository(target);
});

test("without --mirror everything stays", async () => {
  await maintainSource();
  const before = await namesIn(target);
  expect((await copy({ mirror: false })).deleted).toBeNull();
  expect(await namesIn(target)).toEqual(expect.arrayContaining(before));
  await verifyRepository(target);
});

test("of a source that has lost something nothing is deleted", async () => {
  const names = await namesIn(source);
  const lost = ["log/00000004", "folded/", "bases/"].map(
    (prefix) => names.findLast((name) => name.startsWith(prefix) && name.endsWith(".zst"))!,
  );
  for (const name of lost) {
    const bytes = await source.get(name);
    await source.delete(name);
    await expect(copy()).rejects.toMatchObject({
      code: expect.stringMatching(/damaged|repository/),
    });
    expect(await target.size(name)).toBe(bytes.length);
    await source.put(name, bytes);
  }
  expect((await copy()).deleted!.objects).toBe(0);
});

test("while somebody reads the target nothing is deleted", async () => {
  await maintainSource();
  const now = Date.now();
  const hold = { number: 1, unique: "abc", begun: now, at: now, until: now + 60_000, ended: false };
  await putNumbered(target, holdPrefix("abc"), holdKind, hold);
  const before = await namesIn(target, "log/");
  await expect(copy()).rejects.toMatchObject({ code: "fenced" });
  expect(await namesIn(target, "log/")).toEqual(before);
});

test("a source that is behind, in any lane, or empty is refused", () => {
  const log = (epoch: number, sequence: number, lane = "") =>
    [`${lane}${segmentName(epoch, 1000 * sequence, 1000 * sequence + 999, sequence)}`, 9] as const;
  const listing = (...objects: (readonly [string, number])[]) => new Map(objects);
  const target = listing(log(1, 1), log(1, 2), log(1, 1, "lanes/1/"), ["pins/0000000001.json", 9]);
  const refused = [
    listing(),
    listing(log(1, 1), log(1, 1, "lanes/1/")),
    listing(log(1, 2)),
    listing(log(1, 2), log(2, 1, "lanes/2/")),
  ];
  for (const source of refused) expect(() => planMirror(source, target)).toThrow(/goes on at the/);
  const source = listing(log(2, 1), log(1, 1, "lanes/1/"));
  expect(planMirror(source, target).map(({ name }) => name)).toEqual([log(1, 1)[0], log(1, 2)[0]]);
});

test("a place in the source, or around it, is refused, and so is the source itself", async () => {
  const before = await namesIn(source);
  const linked = join(directory, "linked");
  await symlink(source.location, linked);
  const cases: [string, RegExp][] = [
    [join(source.location, "copy"), /lies in --from/],
    [join(linked, "copy"), /lies in --from/],
    [directory, /--from .* lies in --to/],
    [linked, /--to .* is the same place as --from/],
    [pathToFileURL(source.location).href, /is the same place as/],
  ];
  for (const [to, message] of cases) {
    await expect(copy({ to, mirror: false })).rejects.toThrow(message);
  }
  expect(await namesIn(source)).toEqual(before);
});
