/** The log of a key that is not believed any more is ended, and others go on after what is left of it. */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { OwnLog } from "../../../src/capture/own-log.js";
import { isDamage } from "../../../src/errors.js";
import { encodeJsonObject } from "../../../src/format/json-object.js";
import { parseSegmentName, repositoryName, writerName } from "../../../src/format/names.js";
import { claimEpoch } from "../../../src/repository/log/claim-epoch.js";
import { listClaims } from "../../../src/repository/log/claims.js";
import { endLogOf } from "../../../src/repository/log/distrust.js";
import { LogView, lastOf } from "../../../src/repository/log/log-view.js";
import { type Identity, identityOf } from "../../../src/sealing/identity.js";
import { type Key, type KeySet, makeKeySet, putKeySet } from "../../../src/sealing/key-set.js";
import { sealedWith } from "../../../src/sealing/keyring.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import { failureOf } from "../../../src/storage/object-store.js";
import { Recording, StillClock } from "../recording.js";

const id = "6c8b0000-0000-4000-8000-000000000000";
const description = { id, created: 0, sealed: true };
const owner = { host: "here", process: 1, isAlive: () => false };
const names = ["reader", "other", "first", "second"] as const;
type Name = (typeof names)[number];

let all: Record<Name, Identity>;
beforeAll(async () => {
  const made = names.map(async (of) => [of, identityOf(await generateX25519Identity())]);
  all = Object.fromEntries(await Promise.all(made)) as typeof all;
});

let below: MemoryStore;
let set: KeySet;
beforeEach(async () => {
  below = new MemoryStore();
  const keys = names.map((name): Key => {
    const role = name === "reader" || name === "other" ? "reader" : "writer";
    return { name, role, offline: false, ...all[name].public };
  });
  set = makeKeySet({ repository: id, number: 1, at: 1, keys, former: [] }, [all.reader]);
  await below.put(repositoryName, encodeJsonObject("repository", description));
});

/** The store as somebody sees it who does not believe these keys. */
function opened(by: Name, ...distrusted: Name[]) {
  const keys = set.keys.filter(({ name }) => !distrusted.includes(name as Name));
  return sealedWith(below, { ...set, keys }, [all[by]]);
}

/** An epoch of a writer, with two segments. */
async function recorded(by: Name, clock: StillClock, ...distrusted: Name[]): Promise<void> {
  const recording = await Recording.begin({ store: opened(by, ...distrusted), description }, clock);
  await recording.tick();
  await recording.tick();
}

const ended = (by: Name, of: Name, ...distrusted: Name[]) =>
  endLogOf(opened(by, ...distrusted), all[of].public.verify, owner, 1);

test("what others have written before it stays, and what the key has written after it does not count", async () => {
  const clock = new StillClock();
  await recorded("first", clock);
  await recorded("second", clock);
  const without = opened("reader", "second");
  await expect(LogView.read(without)).rejects.toSatisfy(isDamage);
  expect(await ended("reader", "second")).toBe(true);
  const { believed, claims } = await LogView.read(without);
  expect(believed.segments.map(({ epoch }) => epoch)).toEqual([1, 1]);
  expect(claims.map(({ unique, distrusts }) => [unique === "distrusted", distrusts])).toEqual([
    [false, undefined],
    [true, undefined],
    [false, [2]],
  ]);
  // Nobody writes in the epoch of the claim, so nobody waits for its writer.
  const next = await claimEpoch(
    { store: opened("first", "second"), description },
    clock,
    owner,
    false,
  );
  expect([next.epoch, next.last?.epoch]).toEqual([4, 1]);
});

test.each([
  ["first", "first,second"],
  ["first", "first,second,first,second"],
  ["second", "first,second,first,second"],
  ["second", "first,second,second,first"],
] as [Name, string][])(
  "of a log without %s, written by %s, what stands on its segments ends with them",
  async (distrusted, writers) => {
    const clock = new StillClock();
    for (const by of writers.split(",")) await recorded(by as Name, clock);
    await ended("reader", distrusted);
    const without = opened("reader", distrusted);
    const view = await LogView.read(without);
    const left = distrusted === "first" ? [] : [1, 1];
    expect(view.believed.segments.map(({ epoch }) => epoch)).toEqual(left);
    expect(view.holes()).toEqual([]);
    const going: Name = distrusted === "first" ? "second" : "first";
    await recorded(going, clock, distrusted);
    const epochs: number[] = [];
    const after = await LogView.read(without);
    for await (const piece of after.chain(-1, after.to!))
      epochs.push(parseSegmentName(lastOf(piece).name)!.epoch);
    const next = view.claims.length + 1;
    expect(epochs).toEqual([...left, next, next]);
    expect(after.holes()).toEqual([]);
  },
);

test("nothing is put if the key has signed no claim, or is distrusted already", async () => {
  await recorded("first", new StillClock());
  expect(await ended("reader", "second")).toBe(false);
  expect(await ended("reader", "first")).toBe(true);
  expect(await ended("reader", "first")).toBe(false);
  expect(await below.size(writerName(3))).toBeUndefined();
});

test("a reader that has ended a log may be distrusted itself", async () => {
  const clock = new StillClock();
  await recorded("first", clock);
  await ended("other", "first");
  await recorded("second", clock, "first");
  expect(await ended("reader", "other", "first")).toBe(true);
  const claims = await listClaims(opened("reader", "first", "other"));
  expect(claims.at(-1)!.distrusts).toEqual([1, 2]);
});

test("a claim that is only damaged stops every reader, as ever", async () => {
  const clock = new StillClock();
  await recorded("first", clock);
  await recorded("second", clock);
  await ended("reader", "second");
  await below.delete(writerName(1));
  await expect(listClaims(opened("reader", "second"))).rejects.toSatisfy(isDamage);
});

test("a process that runs with a key that was removed claims no epoch, and is told why it is shut out", async () => {
  const clock = new StillClock();
  const standing = { store: opened("first"), description };
  const own = await claimEpoch(standing, clock, owner, false);
  const log = new OwnLog(standing, own, clock);
  await log.check(true);
  await ended("reader", "first");
  await expect(log.check(true)).rejects.toThrow(/another writer has taken over/);
  const keys = set.keys.filter(({ name }) => name !== "first");
  const content = { repository: id, number: 2, at: 2, keys, former: [] };
  await putKeySet(below, makeKeySet(content, [all.reader], set));
  const error: unknown = await log.check(true).catch((caught: unknown) => caught);
  // A store that forbids something would be waited for.
  expect(failureOf(error)).toBeUndefined();
  expect(String(error)).toMatch(/going on with the log: no key .* key set 2 says: it was removed/);
  await expect(claimEpoch(standing, clock, owner, true)).rejects.toThrow(
    /claiming epoch 3: no key at hand .* key set 2 says: it was removed/,
  );
  expect(await below.size(writerName(3))).toBeUndefined();
});

test("a claim that the key has put meanwhile is ended too, by who believes it still", async () => {
  const clock = new StillClock();
  await recorded("first", clock);
  await ended("reader", "first");
  await recorded("first", clock);
  expect(await ended("reader", "first")).toBe(true);
  const claims = await listClaims(opened("second", "first"));
  expect(claims.at(-1)!.distrusts).toEqual([1, 3]);
});
