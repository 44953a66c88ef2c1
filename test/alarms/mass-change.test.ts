/** What a mass change is, and what is none: by the counts of ticks. */
import { describe, expect, test } from "vitest";
import { emptyBook, observed } from "../../src/alarms/book.js";
import { floor, parseMassBound, TableChanges } from "../../src/alarms/mass-change.js";
import { MassWatch } from "../../src/alarms/mass-watch.js";
import { keyOf } from "../../src/alarms/symptom.js";
import type { ClosedTick } from "../../src/repository/log/log-writer.js";
import { idOf, ToldFacts } from "../health/told.js";
import { Random } from "../simulated/random.js";

const bound = { share: 0.1, windowMs: 60_000 };

/** Ticks of a second. */
class Seconds {
  private at = 1_000_000_000;
  readonly changes = new TableChanges(bound);

  tick(of: { deletes?: number; overwrites?: number; inserts?: number }) {
    const from = this.at;
    this.at += 1000;
    const tick = { from, to: from + 999, deletes: 0, overwrites: 0, inserts: 0, ...of };
    return { from, burst: this.changes.add(tick) };
  }

  for(seconds: number, of: (i: number) => Parameters<Seconds["tick"]>[0]) {
    return Array.from({ length: seconds }, (_, i) => this.tick(of(i)).burst).filter((one) => one);
  }
}

describe("in a table of which nothing is known", () => {
  test("deletes are a burst, and it begins with the first of them", () => {
    const seconds = new Seconds();
    seconds.for(30, () => ({ overwrites: 3 }));
    const { from, burst } = seconds.tick({ deletes: 30 });
    expect(burst).toBeUndefined();
    expect(seconds.tick({ deletes: 69 }).burst).toBeUndefined();
    expect(seconds.tick({ deletes: 1 }).burst).toMatchObject({
      what: "deletes",
      before: from - 1,
      documents: floor,
    });
  });

  test("overwrites, and deletes of a queue that is filled again, are none", () => {
    const seconds = new Seconds();
    expect(seconds.for(60, () => ({ overwrites: 5000 }))).toEqual([]);
    expect(seconds.for(60, () => ({ deletes: 500, inserts: 500 }))).toEqual([]);
  });
});

describe("in a table whose changes are known", () => {
  test("what is usual is none, and five times as much is", () => {
    const random = new Random(1);
    const seconds = new Seconds();
    const usual = () => ({ deletes: 2 + random.below(8), overwrites: 20 + random.below(80) });
    seconds.for(1200, usual);
    expect(seconds.for(1200, usual)).toEqual([]);
    const { burst } = seconds.tick({ overwrites: 30_000 });
    expect(burst).toMatchObject({ what: "overwrites" });
    seconds.for(120, usual);
    expect(seconds.tick({ deletes: 3000 }).burst).toMatchObject({ what: "deletes" });
  });

  test("a purge that was made three times is usual; ten times as much is not", () => {
    const seconds = new Seconds();
    const purge = () => {
      const bursts = seconds.for(10, () => ({ deletes: 50 }));
      seconds.for(3590, () => ({ inserts: 1 }));
      return bursts.length;
    };
    const found = Array.from({ length: 14 }, purge);
    for (const bursts of found.slice(0, 3)) expect(bursts).toBeGreaterThan(0);
    expect(found.slice(3)).toEqual(Array.from({ length: 11 }, () => 0));
    expect(seconds.for(10, () => ({ deletes: 500 })).length).toBeGreaterThan(0);
  });

  test("what a resync finds of hours is held against hours", () => {
    const hour = 3_600_000;
    const usual = (changes: TableChanges, until: number) => {
      for (let from = 0; from < until; from += 60_000) {
        changes.add({ from, to: from + 59_999, deletes: 0, overwrites: 50, inserts: 0 });
      }
    };
    const [calm, wild] = [new TableChanges(bound), new TableChanges(bound)];
    for (const changes of [calm, wild]) usual(changes, hour);
    const gap = { from: hour, to: 3 * hour, deletes: 0, inserts: 0 };
    expect(calm.add({ ...gap, overwrites: 120 * 50 })).toBeUndefined();
    expect(wild.add({ ...gap, overwrites: 120 * 50 * 6 })).toMatchObject({ before: hour - 1 });
  });
});

test("in a table that is only ever added to, deletes are a burst, however much is added meanwhile", () => {
  const seconds = new Seconds();
  expect(seconds.for(700, () => ({ inserts: 50 }))).toEqual([]);
  expect(seconds.tick({ inserts: 50, deletes: 100 }).burst).toMatchObject({ what: "deletes" });
});

test("the bound is read strictly", () => {
  expect(parseMassBound("10%/1m")).toEqual(bound);
  expect(parseMassBound("0.5%/1h")).toEqual({ share: 0.005, windowMs: 3_600_000 });
  expect(parseMassBound("off")).toBeUndefined();
  for (const text of ["", "10%", "10/1m", "0%/1m", "101%/1m", "10%/2h", "10%/1ms", "on"]) {
    expect(parseMassBound(text)).toBe("wrong");
  }
});

class Watched {
  readonly told = new ToldFacts();
  readonly pins: number[] = [];
  own = 0;
  documents: number | undefined;
  pinFails = false;
  isAway = false;
  private totals = { changes: 0, inserts: 0, deletes: 0, bytes: 0 };
  readonly watch = new MassWatch(this.told.facts, bound, this.told.clock, {
    operatedOn: () => (this.isAway ? Promise.reject(new Error("away")) : Promise.resolve(this.own)),
    documentsOf: () => Promise.resolve(this.documents),
    pin: (at) => {
      if (this.pinFails) return Promise.reject(new Error("forbidden"));
      this.pins.push(at);
      return Promise.resolve("before-it");
    },
  });

  constructor() {
    this.told.lane(0).begins();
    this.told.state("orders", "live");
    this.tick({});
  }

  tick({ deletes = 0, inserts = 0 }) {
    const { told } = this;
    const from = told.now + 1;
    told.ms += 1000;
    const { totals } = this;
    const changes = totals.changes + deletes + inserts;
    this.totals = {
      ...totals,
      changes,
      inserts: totals.inserts + inserts,
      deletes: totals.deletes + deletes,
    };
    told.tick(["orders"], { totals: { orders: this.totals } });
    this.watch.note(0, { footer: { from, to: told.now } } as ClosedTick);
    return from;
  }
}

describe("a watch for mass changes", () => {
  test("pins the instant before one, tells it once, and lets it end when it is quiet", async () => {
    const watched = new Watched();
    watched.tick({ inserts: 1000 });
    watched.told.ms += 120_000;
    const from = watched.tick({ deletes: 600 });
    watched.tick({ deletes: 400 });
    await watched.watch.step();
    expect(watched.pins).toEqual([from - 1]);
    expect(watched.watch.symptoms()).toMatchObject([
      {
        kind: "mass-change",
        of: idOf("orders"),
        since: from,
        text: expect.stringMatching(/1000 documents were deleted.*before:pin-before-it/) as string,
      },
    ]);
    for (let i = 0; i < 500; i += 1) watched.tick({ deletes: i === 300 ? 200 : 0 });
    await watched.watch.step();
    expect([watched.pins.length, watched.watch.symptoms().length]).toEqual([1, 1]);
    for (let i = 0; i < 600; i += 1) watched.tick({});
    await watched.watch.step();
    expect(watched.watch.symptoms()).toEqual([]);
  });

  test("lets pass what an operation of ours has written, and not what somebody has deleted beside it", async () => {
    const watched = new Watched();
    watched.own = 1000;
    watched.tick({ deletes: 1000 });
    await watched.watch.step();
    expect(watched.watch.symptoms()).toEqual([]);
    watched.tick({ deletes: 300 });
    watched.told.ms += 5000;
    await watched.watch.step();
    expect(watched.watch.symptoms()).toHaveLength(1);
  });

  test("says how much one that goes on has become, and so does its alarm", async () => {
    const watched = new Watched();
    watched.tick({ deletes: 200 });
    await watched.watch.step();
    const textOf = () => watched.watch.symptoms()[0]!.text;
    expect(textOf()).toMatch(/: 200 documents were deleted/);
    const standing = () =>
      new Map(watched.watch.symptoms().map((symptom) => [keyOf(symptom), symptom]));
    const raised = observed(emptyBook, standing(), 1, ["webhook"]);
    watched.tick({ deletes: 700 });
    await watched.watch.step();
    expect(textOf()).toMatch(/: 900 documents were deleted.*before:pin-before-it/);
    expect(watched.pins).toHaveLength(1);
    const grown = observed(raised, standing(), 2, ["webhook"]);
    expect(grown.open).toMatchObject([{ raised: 1, text: textOf() }]);
    expect(grown.notices).toEqual(raised.notices);
    const ended = observed(grown, new Map(), 3, ["webhook"]);
    expect(ended.notices.at(-1)!.text).toContain("900 documents");
  });

  test("lets pass a small part of a large table", async () => {
    const watched = new Watched();
    watched.documents = 50_000;
    watched.tick({ deletes: 4000 });
    await watched.watch.step();
    expect(watched.watch.symptoms()).toEqual([]);
    watched.tick({ deletes: 4000 });
    watched.told.ms += 5000;
    await watched.watch.step();
    expect(watched.watch.symptoms()).toHaveLength(1);
  });

  test("tells of one too whose instant could not be pinned", async () => {
    const watched = new Watched();
    watched.pinFails = true;
    watched.tick({ deletes: 500 });
    await watched.watch.step();
    expect(watched.watch.symptoms()).toMatchObject([
      { text: expect.stringContaining("COULD NOT BE PINNED: forbidden") as string },
    ]);
  });

  test("looks at one again until the repository can be read, however long that takes", async () => {
    const watched = new Watched();
    watched.isAway = true;
    const from = watched.tick({ deletes: 500 });
    for (let i = 0; i < 100; i += 1) {
      await watched.watch.step();
      watched.told.ms += 10_000;
    }
    expect(watched.watch.symptoms()).toEqual([]);
    watched.isAway = false;
    for (let i = 0; i < 2; i += 1) await watched.watch.step();
    expect(watched.pins).toEqual([from - 1]);
    expect(watched.watch.symptoms()).toHaveLength(1);
    watched.told.ms += 601_000;
    await watched.watch.step();
    expect(watched.watch.symptoms()).toEqual([]);
  });
});
