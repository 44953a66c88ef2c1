/** Ticks that only a copy has, because the repository was away when the process ended that captured them. */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { deliverLeft } from "../../src/copies/left-in-copies.js";
import type { Repository } from "../../src/format/description.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName, writerName } from "../../src/format/names.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { identityOf } from "../../src/sealing/identity.js";
import { makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { verify } from "../../src/verify/verify.js";
import { patient } from "../repository/month.js";
import { copyOf, namesIn, Recording, restoredAt, StillClock } from "../repository/recording.js";

const id = "00000000-0000-4000-8000-0000000000ff";
const table = "0a000000-0000-4000-8000-000000000001";

type Open = (below: ObjectStore) => ObjectStore;
const plain: Open = (below) => below;
let sealed: Open;

beforeAll(async () => {
  const make = async () => identityOf(await generateX25519Identity());
  const [reader, writer] = [await make(), await make()];
  const keys = [
    { name: "reader", role: "reader" as const, offline: false, ...reader.public },
    { name: "writer", role: "writer" as const, offline: false, ...writer.public },
  ];
  const set = makeKeySet({ repository: id, number: 1, at: 1, keys, former: [] }, [reader]);
  sealed = (below) => sealedWith(below, set, [writer]);
});

/**
 * A repository, and a copy of it that has four more ticks. Before them the table is copied, or its feed is open.
 * @param isLive false if the third of those ticks says that the table is live, and relies on its base
 */
async function parted(open: Open, { isLive = true } = {}) {
  const copy = new MemoryStore();
  const description = { id, created: 0, ...(open === plain ? {} : { sealed: true }) };
  await copy.put(repositoryName, encodeJsonObject("repository", description));
  const clock = new StillClock();
  const recording = await Recording.begin({ store: open(copy), description }, clock);
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: clock.instant });
  const base = await recording.copy(table, [[0, { id: 0 }]]);
  let since = await recording.tick(10);
  if (isLive) {
    await base.finish(since, since - 5);
    recording.coverage(table, { state: "live", since });
  }
  await recording.tick(10);
  const before = await namesIn(copy);
  for (let i = 1; i <= 4; i += 1) {
    recording.put(table, i, { id: i });
    if (!isLive && i === 3) {
      await base.finish(since, since - 5);
      recording.coverage(table, { state: "live", since });
    }
    since = await recording.tick(i === 2 ? 10 : 1000);
  }
  const target = new MemoryStore();
  for (const name of before) await target.put(name, await copy.get(name));
  const left = (await namesIn(copy, "log/")).filter((name) => !before.includes(name));
  expect(left).toHaveLength(4);
  const repository: Repository = { store: open(target), description };
  return { repository, target, copy, left, clock, recording };
}

class Told {
  given = 0;
  readonly kept: [string, string][] = [];
  readonly away: string[] = [];
  gives = (segments: number) => void (this.given += segments);
  keeps = (...kept: [string, string]) => void this.kept.push(kept);
  mayHaveMore = (error: unknown) => void this.away.push((error as Error).message);
}

async function deliver(repository: Repository, ...copies: ObjectStore[]): Promise<Told> {
  const told = new Told();
  const asked = copies.map((store) => ({ store, observer: told }));
  await deliverLeft(repository, asked, patient(new StillClock()));
  return told;
}

const logOf = async (store: ObjectStore) => (await LogView.read(store)).believed.segments.length;

async function expectSound({ store }: Repository): Promise<void> {
  const { report } = await verify(store, { share: 0, random: () => 0 });
  expect(report.damage).toEqual([]);
}

/** The next process begins. */
async function claim(repository: Repository, clock: StillClock): Promise<void> {
  clock.instant += 60_000;
  await (await Recording.begin(repository, clock)).tick();
}

describe.each([
  ["a repository", () => plain],
  ["a sealed repository", () => sealed],
])("the ticks that only a copy of %s has", (_, openOf) => {
  test("come to the repository before the next epoch, which continues them", async () => {
    const { repository, target, copy, left, clock } = await parted(openOf());
    expect(await deliver(repository, copy)).toMatchObject({ given: 4, kept: [], away: [] });
    expect((await namesIn(target, "log/")).slice(-4)).toEqual(left);
    expect(await deliver(repository, copy)).toMatchObject({ given: 0, kept: [], away: [] });
    await claim(repository, clock);
    await expectSound(repository);
    expect(await logOf(repository.store)).toBe(7);
  });

  test("come from several copies, whichever has the next one whole", async () => {
    const { repository, copy, left } = await parted(openOf());
    const bytes = Buffer.from(await copy.get(left[1]!));
    bytes[Math.floor(bytes.length / 3)]! ^= 1;
    const one = await copyOf(copy, { [left[1]!]: bytes });
    const other = await copyOf(copy, { [left[0]!]: undefined, [left[3]!]: undefined });
    const told = await deliver(repository, one, other);
    expect(told).toMatchObject({ given: 4, away: [] });
    expect(told.kept.map(([name]) => name)).toEqual([left[1]]);
  });

  test("come up to the first that is missing or altered", async () => {
    const { repository, target, copy, left, clock } = await parted(openOf());
    const bytes = Buffer.from(await copy.get(left[2]!));
    bytes[Math.floor(bytes.length / 3)]! ^= 1;
    const altered = await copyOf(copy, { [left[2]!]: bytes });
    expect(await deliver(repository, altered)).toMatchObject({
      given: 2,
      kept: [[left[2], expect.any(String)]],
    });
    const holed = await copyOf(copy, { [left[2]!]: undefined });
    expect(await deliver(repository, holed)).toMatchObject({ given: 0, kept: [] });
    expect((await namesIn(target, "log/")).slice(-2)).toEqual(left.slice(0, 2));
    await claim(repository, clock);
    expect(await deliver(repository, copy)).toMatchObject({ given: 0, kept: [] });
    await expectSound(repository);
  });

  test("come whole although the process is killed after each put", async () => {
    const { repository, copy, left, clock } = await parted(openOf());
    for (let i = 0; i < 4; i += 1) {
      const dying = new (class extends StoreLayer {
        override async put(...args: Parameters<ObjectStore["put"]>) {
          if ((await namesIn(this, "log/")).includes(left[i]!)) throw new Error("killed");
          await super.put(...args);
        }
      })(repository.store.sealing?.below ?? repository.store);
      const { description } = repository;
      const during = deliver({ store: openOf()(dying), description }, copy);
      if (i < 3) await expect(during).rejects.toThrow("killed");
      else await during;
      await expectSound(repository);
    }
    await claim(repository, clock);
    await expectSound(repository);
    expect(await logOf(repository.store)).toBe(7);
  });

  test.each([0, 1, 2, 3])(
    "are shut out from number %i on if another process has claimed by then",
    async (number) => {
      const { repository, copy, left, clock } = await parted(openOf());
      const below = repository.store.sealing?.below ?? repository.store;
      const raced = new (class extends StoreLayer {
        override async put(name: string, bytes: Uint8Array) {
          if (name === left[number]) await claim(repository, clock);
          await super.put(name, bytes);
        }
      })(below);
      const { description } = repository;
      await deliver({ store: openOf()(raced), description }, copy);
      expect((await namesIn(below)).filter((name) => left.includes(name))).toEqual(left);
      // The two before, what was delivered in time, and the tick of the other process.
      expect(await logOf(repository.store)).toBe(2 + number + 1);
      await claim(repository, clock);
      await expectSound(repository);
      const { claims } = await LogView.read(repository.store);
      expect(claims.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
    },
  );
});

test("what a capture has closed is asked for in no copy, and one that is away is told", async () => {
  const { repository, copy, recording } = await parted(plain);
  const away = new (class extends StoreLayer {
    override get = () => Promise.reject(new StoreUnavailable("away"));
  })(copy);
  const told = await deliver(repository, away, new MemoryStore(), copy);
  expect(told).toMatchObject({ given: 4, away: ["away", expect.stringMatching(/no copy at/)] });
  const renewed = { store: await copyOf(repository.store), observer: told, wasAbsent: true };
  await deliverLeft(repository, [renewed], patient(new StillClock()));
  expect(told.away.at(-1)).toMatch(/there was no copy/);
  await recording.tick(1000, { closed: true });
  const closing = (await namesIn(copy, "log/")).slice(-1);
  expect(await deliver(repository, copy)).toMatchObject({ given: 1 });
  expect((await namesIn(repository.store, "log/")).slice(-1)).toEqual(closing);
  expect(await deliver(repository, away)).toMatchObject({ given: 0, away: [] });
});

test("of an epoch that another writer has claimed in the copy nothing is taken", async () => {
  const { repository, target, copy, clock } = await parted(plain);
  await deliver(repository, copy);
  const log = await logOf(target);
  clock.instant += 60_000;
  // Both go on after the same segment: one has not closed a tick yet, the other has.
  await Recording.begin(repository, clock);
  await claim({ ...repository, store: copy }, clock);
  expect(await target.get(writerName(2))).not.toEqual(await copy.get(writerName(2)));
  expect(await logOf(copy)).toBe(log + 1);
  expect(await deliver(repository, copy)).toMatchObject({ given: 0, kept: [], away: [] });
  expect(await logOf(target)).toBe(log);
});

test("a tick that follows another one than the last of the repository is left", async () => {
  const { repository, target, left } = await parted(plain);
  const other = await parted(plain, { isLive: false });
  expect(other.left).toEqual(left);
  const claim = { [writerName(1)]: await target.get(writerName(1)) };
  const told = await deliver(repository, await copyOf(other.copy, claim));
  expect(told).toMatchObject({
    given: 0,
    kept: [[left[0], expect.stringMatching(/does not go on/)]],
  });
});

test("a tick that relies on a base which the repository has lost is left, with what follows it", async () => {
  const { repository, copy, left, clock } = await parted(plain, { isLive: false });
  const told = await deliver(repository, copy);
  expect(told).toMatchObject({
    given: 2,
    kept: [[left[2], expect.stringMatching(/the repository lacks bases\/.*manifest\.json/)]],
  });
  await expectSound(repository);
  // With the base, all of it is delivered.
  for (const name of await namesIn(copy, "bases/")) {
    if ((await repository.store.size(name)) === undefined)
      await repository.store.put(name, await copy.get(name));
  }
  expect(await deliver(repository, copy)).toMatchObject({ given: 2, kept: [] });
  expect(await restoredAt(repository.store, table, clock.instant)).toEqual(
    await restoredAt(copy, table, clock.instant),
  );
});
