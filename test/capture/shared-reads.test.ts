import { beforeEach, expect, test } from "vitest";
import { SharedReads } from "../../src/capture/shared-reads.js";
import { systemClock } from "../../src/clock.js";
import type { Instant } from "../../src/instant.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { copyOf, makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const never = new AbortController().signal;
const tables = [1, 2, 3].map((n) => `0a000000-0000-4000-8000-00000000000${n}`);

let store: ObjectStore;
let bases: BaseManifest[];
let end: Instant;

/** Three tables with a base each, and a change of each in ticks of their own. */
beforeEach(async () => {
  const repository = await makeRepository();
  ({ store } = repository);
  const clock = new StillClock();
  const recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  const since = clock.instant;
  const writers = [];
  for (const table of tables) {
    recording.coverage(table, { state: "copying", since });
    writers.push(await recording.copy(table, [[1, { id: 1 }]]));
  }
  const live = await recording.tick(10);
  bases = await Promise.all(writers.map((writer) => writer.finish(live, since - 1)));
  for (const table of tables) recording.coverage(table, { state: "live", since: live });
  await recording.tick(10);
  for (const table of tables) {
    recording.put(table, 1, { id: 1, changed: true });
    end = await recording.tick(100);
  }
});

/** Counts how often each object of the log was opened. */
function counting(of: ObjectStore) {
  const opened: string[] = [];
  const counted = overriding(of, {
    tail: (name, ...rest) => {
      if (name.startsWith("log/")) opened.push(name);
      return of.tail(name, ...rest);
    },
  });
  return { opened, counted };
}

test("tables that ask at one time read the log once, and each gets what is its own", async () => {
  const { opened, counted } = counting(store);
  const reads = new SharedReads(counted, systemClock);
  const logs = await Promise.all(bases.map((base) => reads.log(base, end, never)));
  expect(logs.map(({ log }, i) => log.versionsOf(tables[i]!))).toEqual([1, 1, 1]);
  expect(
    Math.max(...[...new Set(opened)].map((name) => opened.filter((one) => one === name).length)),
  ).toBe(1);
  for (const { giveBack } of logs) await giveBack();
});

test("what is damaged of one table's log fails that table alone", async () => {
  // The last segment but one holds the second table's change; a third table's instant lies before it.
  const names = await namesIn(store, "log/");
  const broken = await copyOf(store, { [names.at(-1)!]: Buffer.from("broken") });
  const reads = new SharedReads(broken, systemClock);
  const before = end - 110;
  const asked = [reads.log(bases[0]!, before, never), reads.log(bases[1]!, before, never)];
  const failing = reads.log(bases[2]!, end, never);
  await expect(failing).rejects.toMatchObject({ code: "damaged" });
  const logs = await Promise.all(asked);
  expect(logs.map(({ log }, i) => log.versionsOf(tables[i]!))).toEqual([1, 1]);
  for (const { giveBack } of logs) await giveBack();
});

test("the bases of tables that ask at one time come of one look, and of these tables alone", async () => {
  const reads = new SharedReads(store, systemClock);
  const [one, other] = await Promise.all(
    [tables[0]!, tables[2]!].map((id) => reads.bases(id, never)),
  );
  expect(one).toBe(other);
  expect([...one!.usable.keys()].sort()).toEqual([tables[0], tables[2]]);
});

test("a table that gives up while it waits for others is not waited for", async () => {
  const { opened, counted } = counting(store);
  const withdrawn = new AbortController();
  const reads = new SharedReads(counted, systemClock);
  const asking = reads.log(bases[0]!, end, withdrawn.signal);
  withdrawn.abort(new Error("the feed was lost"));
  await expect(asking).rejects.toThrow("the feed was lost");
  await systemClock.sleep(100);
  expect(opened).toEqual([]);
});
