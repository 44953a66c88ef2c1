/** What other processes put, and the capture goes by, is in a copy before what relies on it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../src/clock.js";
import { Replicas } from "../../src/copies/replicas.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { numberedName, repositoryName } from "../../src/format/names.js";
import { knownLane, lanesIn, lanesMade, setLanes } from "../../src/repository/lanes.js";
import { openRepository } from "../../src/repository/repository.js";
import { identityOf } from "../../src/sealing/identity.js";
import { type KeySet, makeKeySet, putKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { NotingStore } from "../../src/storage/noting-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { noUse } from "../../src/storage/store-use.js";
import { makeRepository, Recording, restoredAt, StillClock } from "../repository/recording.js";
import { AwayStore, begin, copiedNames, settled } from "./replicated.js";

const table = "0a000000-0000-4000-8000-000000000001";

/** A store that is looked at after each put. */
class WatchedStore extends StoreLayer {
  constructor(
    below: ObjectStore,
    private readonly check: () => Promise<unknown>,
  ) {
    super(below);
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    await this.check();
  }
}

/** A replica, and the store of the primary through which it hears of a capture. */
function heard(primary: ObjectStore, target: ObjectStore) {
  const begun = begin(primary, target);
  const { replica } = begun;
  const store = new NotingStore(
    primary,
    (name) => replica.offer(name),
    (name, bytes) => replica.heed(name, bytes),
  );
  return { ...begun, store };
}

async function laneWorld() {
  const [primary, kept] = [new AwayStore(new MemoryStore()), new MemoryStore()];
  const repository = await makeRepository(primary);
  const target = new WatchedStore(kept, async () => lanesIn(await openRepository(kept)));
  const replicated = heard(primary, target);
  await settled();
  // Another process. Only one of the lanes is captured here.
  await setLanes(repository, 3, 1);
  return { ...replicated, repository: { ...repository, store: replicated.store }, primary, kept };
}

test("a lane that is captured can be read in the copy from its first object on", async () => {
  const { repository, primary, kept, told, end } = await laneWorld();
  expect(await lanesMade(repository.store)).toBe(3);
  const lane = await knownLane(repository, 1);
  const recording = await Recording.begin(lane, new StillClock());
  recording.catalogRead();
  await recording.tick(10);
  await settled();
  expect(told.failures).toEqual([]);
  expect(await copiedNames(kept)).toEqual(await copiedNames(primary));
  expect(await lanesIn(await openRepository(kept))).toHaveLength(3);
  await end();
});

test("a damaged object that was read is not copied, and is once it is whole", async () => {
  const { primary, kept, told, replica, end } = await laneWorld();
  const name = numberedName("settings/", 1);
  const bytes = await primary.get(name);
  const damaged = Buffer.from(bytes);
  damaged[20]! ^= 1;
  replica.heed(name, damaged);
  await settled();
  expect(await kept.size(name)).toBe(undefined);
  replica.heed(name, bytes);
  await settled();
  expect(await kept.get(name)).toEqual(bytes);
  expect(told.failures).toEqual([]);
  await end();
});

test("the copies of a capture hear what it reads through its store", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-heeded-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const [primary, target] = [join(directory, "a"), join(directory, "b")];
  const repository = await makeRepository(storeAt(primary));
  const failures: unknown[] = [];
  let level = 0;
  const observer = {
    fails: (error: unknown) => void failures.push(error),
    isLevel: () => void (level += 1),
    keepsUp: () => undefined,
    finds: () => undefined,
    gives: () => undefined,
    keeps: () => undefined,
    mayHaveMore: () => undefined,
  };
  const replicas = new Replicas(primary, [target], systemClock, () => observer, { ...noUse });
  const store = replicas.hearing(storeAt(primary));
  replicas.begin();
  await vi.waitFor(() => expect(level).toBe(1), 10_000);
  await setLanes(repository, 2, 1);
  await lanesMade(store);
  const copied = () => lanesIn({ ...repository, store: storeAt(target) });
  await vi.waitFor(async () => expect(await copied()).toHaveLength(2), 10_000);
  await replicas.stop();
  expect(failures).toEqual([]);
});

test("what relies on lanes that the copy does not know waits while the primary is away", async () => {
  const { repository, primary, kept, clock, told, replica, end } = await laneWorld();
  await lanesMade(repository.store);
  primary.isAway = true;
  const segment = "lanes/1/log/00000001/000000000000001-000000000000002-0000000001.zst";
  replica.offer(segment, Buffer.from("a tick"));
  await clock.pass(1000);
  // A description of a lane may have come before the primary was away.
  const isDescription = (name: string) => name.endsWith(repositoryName);
  expect((await copiedNames(kept)).filter((name) => !isDescription(name))).toEqual([]);
  expect(told.failures).toMatchObject([{ message: "away" }]);
  primary.isAway = false;
  await clock.pass(30_000);
  expect(await copiedNames(kept)).toEqual(
    expect.arrayContaining([...(await copiedNames(primary)), segment]),
  );
  await end();
});

test("a copy of a sealed repository has the key set that opens what was captured last", async () => {
  const [primary, kept] = [new AwayStore(new MemoryStore()), new MemoryStore()];
  const make = async () => identityOf(await generateX25519Identity());
  const [reader, writer, other] = [await make(), await make(), await make()];
  const description = { id: "00000000-0000-4000-8000-0000000000ff", created: 0, sealed: true };
  const keys = [
    { name: "reader", role: "reader" as const, offline: false, ...reader.public },
    { name: "writer", role: "writer" as const, offline: false, ...writer.public },
    { name: "other", role: "reader" as const, offline: false, ...other.public },
  ];
  const content = { repository: description.id, number: 1, at: 1, keys, former: [] };
  const first = makeKeySet(content, [reader]);
  await primary.put(repositoryName, encodeJsonObject("repository", description));
  await putKeySet(primary, first);
  const { store, told, end } = heard(primary, kept);
  await settled();
  let ms = 0;
  const opened = sealedWith(store, first, [writer], { monotonicMs: () => ms });
  const recording = await Recording.begin({ store: opened, description }, new StillClock());
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: recording.clock.instant });
  const copy = await recording.copy(table, [[0, { id: 0 }]]);
  const since = await recording.tick(10);
  await copy.finish(since, since - 5);
  recording.coverage(table, { state: "live", since });
  let last = await recording.tick(10);
  // Another process removes a key, twice: what is written from then on is for other groups.
  let before: KeySet = first;
  for (const number of [2, 3]) {
    before = makeKeySet({ ...content, number, keys: keys.slice(0, 2) }, [reader], before);
    await putKeySet(primary, before);
  }
  ms += 600_000;
  for (let id = 1; id <= 3; id += 1) {
    recording.put(table, id, { id });
    last = await recording.tick(10);
    await settled();
  }
  primary.isAway = true;
  expect(told.failures).toEqual([]);
  expect(await copiedNames(kept)).toContain(numberedName("keys/", 3));
  const identity = { identities: [reader], trusted: new Set([reader.public.verify]) };
  const repository = await openRepository(kept, { ...identity, repositories: new Set() });
  expect(await restoredAt(repository.store, table, last)).toHaveLength(4);
  await end();
});
