import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../../src/format/description.js";
import { encodeJsonObject } from "../../../src/format/json-object.js";
import type { Owner } from "../../../src/owner.js";
import { type ClaimFacts, claimEpoch } from "../../../src/repository/log/claim-epoch.js";
import { latestEpoch } from "../../../src/repository/log/claims.js";
import { lastSegment, listSegments, openSegment } from "../../../src/repository/log/log.js";
import { LogView } from "../../../src/repository/log/log-view.js";
import { LogWriter, type Shipper } from "../../../src/repository/log/log-writer.js";
import { recordHolders, refusing } from "../../../src/repository/log/stream-records.js";
import type { ObjectStore } from "../../../src/storage/object-store.js";
import { overriding } from "../../simulation/overriding.js";
import { catalogAt } from "../looks.js";
import {
  copyOf,
  History,
  makeRepository,
  namesIn,
  proofBoundMs,
  Recording,
  restoredAt,
  StillClock,
  segmentChain,
} from "../recording.js";

const table = "0a000000-0000-4000-8000-000000000001";

let repository: Repository;
let store: ObjectStore;
let clock: StillClock;
let history: History;
beforeEach(async () => {
  repository = await makeRepository();
  ({ store } = repository);
  clock = new StillClock(1_000_000);
  history = new History();
});

/** Ticks of an epoch, one put in each; returns the segments' names. */
async function epochOf(ticks: number, recording?: Recording): Promise<string[]> {
  const before = await namesIn(store, "log/");
  const epoch = recording ?? (await Recording.begin(repository, clock, history));
  for (let i = 0; i < ticks; i += 1) {
    epoch.put(table, `${epoch.log.epoch}-${i}`, { id: `${epoch.log.epoch}-${i}` });
    await epoch.tick(100);
  }
  return (await namesIn(store, "log/")).filter((name) => !before.includes(name));
}

async function chain(of: ObjectStore, after: number, until: number): Promise<string[]> {
  const names: string[] = [];
  for await (const segment of segmentChain(of, after, until)) names.push(segment.name);
  return names;
}

const all = Number.MAX_SAFE_INTEGER;
const rangeOf = async (name: string) => (await openSegment(store, name)).index.footer;

describe("the writer", () => {
  test("numbers segments without a gap, each naming the one before and beginning right after it", async () => {
    const names = [...(await epochOf(3)), ...(await epochOf(2))];
    let before: Awaited<ReturnType<typeof openSegment>> | undefined;
    for (const [i, name] of names.entries()) {
      const segment = await openSegment(store, name);
      const { footer } = segment.index;
      expect(footer.previous).toEqual(
        before ? { name: before.name, checksum: before.checksum } : null,
      );
      expect([footer.epoch, footer.sequence]).toEqual(i < 3 ? [1, i + 1] : [2, i - 2]);
      if (before) expect(footer.from).toBe(before.index.footer.to + 1);
      expect(footer.repository).toBe(repository.description.id);
      before = segment;
    }
  });

  test("never lets time go back, however the clock jumps", async () => {
    const recording = await Recording.begin(repository, clock, history);
    const times: number[] = [];
    for (const jump of [5, -500_000, 3, 900_000, -900_000, 0]) {
      clock.instant += jump;
      recording.log.append(table, Buffer.from("1"), null, Buffer.from("{}"));
      times.push(recording.log.stamp().time);
      recording.log.append(table, Buffer.from("1"), null, Buffer.from("{}"));
      await recording.log.closeTick({
        frontier: 0,
        lagging: {},
        proofBoundMs,
        serverClock: null,
        closed: false,
      }).durable;
    }
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for await (const segment of segmentChain(store, 0, all)) {
      const { from, to } = segment.index.footer;
      expect(from).toBeLessThanOrEqual(to);
      for (const { minTime, maxTime } of segment.index.frames) {
        expect(minTime).toBeGreaterThanOrEqual(from);
        expect(maxTime).toBeLessThanOrEqual(to);
        expect(minTime).toBeLessThanOrEqual(maxTime!);
      }
    }
  });

  test("begins a later epoch after the end of the one before, even if its clock is behind", async () => {
    const [last] = await epochOf(1);
    clock.instant -= 900_000;
    const [first] = await epochOf(1);
    expect((await rangeOf(first!)).from).toBe((await rangeOf(last!)).to + 1);
  });
});

describe("the chain", () => {
  test("gives the segments that overlap the stretch, in order, across epochs", async () => {
    const names = [...(await epochOf(3)), ...(await epochOf(3))];
    expect(await chain(store, 0, all)).toEqual(names);
    const [, second, , fourth] = await Promise.all(names.map(rangeOf));
    expect(await chain(store, second!.from - 1, fourth!.to)).toEqual(names.slice(1, 4));
    expect(await chain(store, second!.to, fourth!.from)).toEqual(names.slice(2, 4));
    expect(await chain(store, second!.to, second!.to)).toEqual([]);
    expect(await chain(store, second!.from, second!.from)).toEqual([names[1]]);
    expect(await chain(store, all, all)).toEqual([]);
  });

  test("misses any segment but the last, wherever the stretch ends, and names it", async () => {
    const names = [...(await epochOf(4)), ...(await epochOf(4))];
    for (const [i, name] of names.slice(0, -1).entries()) {
      const { from, to } = await rangeOf(name);
      const without = await copyOf(store, { [name]: undefined });
      for (const [after, until] of [
        [0, all],
        [from - 1, all],
        [0, to],
        [0, from],
        [from - 1, from],
        [to - 1, to],
      ] as const) {
        const read = chain(without, after, until);
        await expect(read, `segment ${i} from ${after} to ${until}`).rejects.toMatchObject({
          code: "damaged",
          message: `object ${name} is damaged: it is missing`,
        });
      }
      expect(await chain(without, to, all)).toEqual(names.slice(i + 1));
      if (i > 0) expect(await chain(without, 0, from - 1)).toEqual(names.slice(0, i));
    }
  });

  test("misses several in a row", async () => {
    const names = await epochOf(6);
    const gone = { [names[2]!]: undefined, [names[3]!]: undefined };
    const without = await copyOf(store, gone);
    const { to } = await rangeOf(names[3]!);
    for (const until of [to, to - 150, all]) {
      await expect(chain(without, 0, until)).rejects.toMatchObject({ code: "damaged" });
    }
    expect(await chain(without, to, all)).toEqual(names.slice(4));
  });

  test("refuses a segment that another one's successor does not name", async () => {
    const names = await epochOf(3);
    // The same writer at the same instants, but with another document: every name is the same.
    const twin = await makeRepository();
    const recording = await Recording.begin(twin, new StillClock(1_000_000));
    for (let i = 0; i < 3; i += 1) {
      recording.put(table, `1-${i}`, { id: `1-${i}`, twin: true });
      await recording.tick(100);
    }
    expect(await namesIn(twin.store, "log/")).toEqual(names);
    const swapped = await copyOf(store, { [names[1]!]: await twin.store.get(names[1]!) });
    await expect(chain(swapped, 0, all)).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining(names[1]!) as string,
    });
  });

  test("refuses a segment under another one's name", async () => {
    const names = await epochOf(3);
    const swapped = await copyOf(store, { [names[1]!]: await store.get(names[0]!) });
    await expect(chain(swapped, 0, all)).rejects.toMatchObject({
      code: "damaged",
      message: `object ${names[1]} is damaged: its name and its footer differ`,
    });
  });

  test("begins after what was removed, as long as nothing that is asked for is gone", async () => {
    const names = await epochOf(4);
    const expired = await copyOf(store, { [names[0]!]: undefined, [names[1]!]: undefined });
    const { to } = await rangeOf(names[1]!);
    expect(await chain(expired, to, all)).toEqual(names.slice(2));
    await expect(chain(expired, to - 1, all)).rejects.toMatchObject({
      code: "damaged",
      message: `object ${names[1]} is damaged: it is missing`,
    });
  });
});

describe("what a writer wrote after a later one had claimed", () => {
  /** An old writer that goes on after a new one has taken over; the names of what it wrote late. */
  async function takeOver() {
    const old = await Recording.begin(repository, clock, history);
    const kept = await epochOf(2, old);
    const young = await Recording.begin(repository, clock, history);
    old.put(table, "late", { id: "late" });
    old.catalog(["db", "late"], { id: "late", name: "late" });
    old.coverage(table, { state: "live", since: 5 });
    await old.tick(100);
    await old.tick(100);
    const late = (await namesIn(store, "log/")).filter((name) => !kept.includes(name));
    const young1 = await epochOf(2, young);
    return { kept, late, young: young1 };
  }

  test("is not believed, by anybody", async () => {
    const { kept, late, young } = await takeOver();
    expect(late).toHaveLength(2);
    expect((await listSegments(store)).map(({ name }) => name)).toEqual([...kept, ...young]);
    expect(await chain(store, 0, all)).toEqual([...kept, ...young]);
    expect((await lastSegment(store))?.name).toBe(young.at(-1));
    expect([...(await catalogAt(store, all)).records.keys()]).toEqual([]);
  });

  test("is not believed either when the later one has written nothing yet", async () => {
    const { kept, late, young } = await takeOver();
    const silent = await copyOf(store, Object.fromEntries(young.map((name) => [name, undefined])));
    expect(await namesIn(silent, "log/")).toEqual([...kept, ...late]);
    expect(await chain(silent, 0, all)).toEqual(kept);
  });

  test("is not continued by the next either", async () => {
    const { young } = await takeOver();
    const next = await Recording.begin(repository, clock, history);
    await next.tick();
    const { previous } = (await lastSegment(store))!.index.footer;
    expect(previous!.name).toBe(young.at(-1));
  });

  test("of an epoch that was claimed over before it wrote at all", async () => {
    const first = await epochOf(1);
    const second = await Recording.begin(repository, clock, history);
    const third = await Recording.begin(repository, clock, history);
    second.put(table, "x", { id: "x" });
    await second.tick();
    const ofThird = await epochOf(1, third);
    expect(await chain(store, 0, all)).toEqual([...first, ...ofThird]);
  });

  test("unless the claim itself is damaged: then nothing is believed", async () => {
    await takeOver();
    const name = "writers/00000002.json";
    const bytes = await store.get(name);
    bytes[bytes.length - 90]! ^= 1;
    const broken = await copyOf(store, { [name]: bytes });
    await expect(listSegments(broken)).rejects.toMatchObject({ code: "damaged" });
    const other = await copyOf(store, { [name]: await store.get("writers/00000001.json") });
    await expect(listSegments(other)).rejects.toMatchObject({
      code: "damaged",
      message: `object ${name} is damaged: its name and its content differ`,
    });
    const shape = encodeJsonObject("writer", { epoch: 2, previous: { name: 5 } });
    await expect(listSegments(await copyOf(store, { [name]: shape }))).rejects.toMatchObject({
      code: "damaged",
    });
  });
});

describe("claimEpoch", () => {
  let processes = 0;
  const owner = (alive: boolean, host = "one"): Owner => {
    processes += 1;
    return { host, process: processes, isAlive: () => alive };
  };
  const claim = (by: Owner & ClaimFacts, takeOver = false) =>
    claimEpoch(repository, clock, by, takeOver);

  test("counts up, and continues the last segment", async () => {
    expect(await latestEpoch(store)).toBe(0);
    const first = await claim(owner(false));
    expect(first).toMatchObject({ epoch: 1, last: undefined });
    expect(await store.get("writers/00000001.json")).toEqual(first.object);
    const epoch = await Recording.begin(repository, clock, history);
    await epoch.tick(0, { closed: true });
    const next = await claim(owner(true));
    expect(next.epoch).toBe(3);
    expect(next.last?.epoch).toBe(2);
    expect(await latestEpoch(store)).toBe(3);
  });

  test("gives every one of many at once an epoch of its own", async () => {
    const claims = await Promise.all(Array.from({ length: 10 }, () => claim(owner(true), true)));
    expect(claims.map(({ epoch }) => epoch).sort((a, b) => a - b)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
  });

  test("is refused while the one before may live; not once it is silent, dead, closed or overruled", async () => {
    await claim(owner(true));
    await expect(claim(owner(true))).rejects.toMatchObject({ code: "fenced" });
    await expect(claim(owner(false, "two"))).rejects.toMatchObject({ code: "fenced" });
    expect((await claim(owner(false))).epoch).toBe(2);
    clock.instant += 180_000;
    await expect(claim(owner(true))).rejects.toMatchObject({ code: "fenced" });
    clock.instant += 1;
    expect((await claim(owner(true))).epoch).toBe(3);
    expect((await claim(owner(true), true)).epoch).toBe(4);
    // The number of a process that is gone came to be ours, as in a container that was started anew.
    processes -= 1;
    expect((await claim(owner(true))).epoch).toBe(5);
  });

  test("is refused for three of the ticks of a writer whose ticks are long", async () => {
    await claim({ ...owner(true), tickMs: 600_000 });
    clock.instant += 1_800_000;
    await expect(claim(owner(true))).rejects.toMatchObject({ code: "fenced" });
    clock.instant += 1;
    expect((await claim(owner(true))).epoch).toBe(2);
  });
});

describe("a segment that could not be stored", () => {
  test("rejects its tick, and every later one", async () => {
    const own = await claimEpoch(
      repository,
      clock,
      { host: "", process: 1, isAlive: () => false },
      true,
    );
    const failing: Shipper = {
      waitingBytes: 0,
      isShipping: false,
      ship: () => Promise.reject(new Error("no room")),
    };
    const log = LogWriter.open(repository, clock, own, failing);
    const facts = { frontier: 0, lagging: {}, proofBoundMs, serverClock: null, closed: false };
    await expect(log.closeTick(facts).durable).rejects.toThrow("no room");
    expect(await namesIn(store, "log/")).toEqual([]);
  });
});

describe("recordHolders", () => {
  test("finds all that hold the stream, newest first, across epochs; and stops where one is gone", async () => {
    const holders: string[] = [];
    for (const epoch of [1, 2]) {
      const recording = await Recording.begin(repository, clock, history);
      for (let i = 0; i < 6; i += 1) {
        if (i % 3 === 1)
          recording.catalog(["db", `${epoch}-${i}`], { id: `${epoch}-${i}`, name: "shop" });
        else recording.put(table, i, { id: i });
        await recording.tick(100);
        if (i % 3 === 1) holders.unshift((await lastSegment(store))!.name);
      }
    }
    const found: string[] = [];
    const view = await LogView.read(store);
    for await (const { name } of recordHolders(
      view,
      "catalog",
      view.pieces.length - 1,
      refusing(view),
    )) {
      found.push(name);
    }
    expect(found).toEqual(holders);
    const without = await copyOf(store, { [holders[2]!]: undefined });
    await expect(catalogAt(without, all)).rejects.toMatchObject({
      code: "damaged",
      message: `object ${holders[2]} is damaged: it is missing`,
    });
  });
});

test("what the log holds is what restoring it gives, whatever the memory", async () => {
  const recording = await Recording.begin(repository, clock, history);
  const base = await recording.copy(table, [["base", { id: "base" }]]);
  const copied = await recording.tick();
  await base.finish(copied, copied - 1000);
  for (let i = 0; i < 300; i += 1) {
    const key = `key ${(i * 7) % 40}`;
    recording.put(table, key, i % 5 === 0 ? null : { id: key, i });
    if (i % 20 === 0) await recording.tick(10);
  }
  const end = await recording.tick();
  for (const memoryBytesMax of [undefined, 0, 3000]) {
    expect(await restoredAt(store, table, end, memoryBytesMax)).toEqual(history.at(table, end));
  }
  for (const instant of history.instants().filter((at) => at >= copied)) {
    expect(await restoredAt(store, table, instant)).toEqual(history.at(table, instant));
  }
});

test("a claim that goes back behind what an earlier one continues leaves no hole", async () => {
  const names = await epochOf(4);
  await epochOf(2);
  const late = names[3]!;
  async function* list(prefix: string) {
    for await (const object of store.list(prefix)) {
      if (object.name !== late && !object.name.startsWith("log/00000002/")) yield object;
    }
  }
  const behind = { ...repository, store: overriding(store, { list }) };
  await claimEpoch(behind, clock, { host: "other", process: 3, isAlive: () => true }, true);
  const view = await LogView.read(store);
  expect(view.pieces.map(({ name }) => name)).toEqual(names.slice(0, 3));
  expect(view.holes()).toEqual([]);
});
