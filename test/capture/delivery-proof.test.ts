import { beforeEach, describe, expect, test } from "vitest";
import { DeliveryProof, type Surveyed } from "../../src/capture/delivery-proof.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import type { TableWrites } from "../../src/rethinkdb/table-writes.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

const signal = new AbortController().signal;

function counts(byServer: Record<string, number>, total: "sum" | "greatest" | "none" = "sum") {
  const map = new Map(Object.entries(byServer));
  return { byServer: map, total: total === "none" ? undefined : total } satisfies TableWrites;
}

/** What a proof asks of a feed. */
class FakeFeed {
  delivered = 0;
  isWaiting = true;
  readonly openedMs = 100;
  /** Up to where the fence passes; undefined if it does not. */
  fencedMs: number | undefined;
  /** What the chain of fences was told to be proven. */
  readonly told: number[] = [];
  readonly fences = {
    pass: async (provenMs: number) => {
      this.told.push(provenMs);
      return this.fencedMs;
    },
    note: (provenMs: number) => void this.told.push(provenMs),
  };

  constructor(readonly writesBefore: TableWrites | undefined) {}

  async drained(): Promise<void> {
    return undefined;
  }
}

let clock: SimulatedClock;
let askedMs: number;

beforeEach(() => {
  const time = new VirtualTime();
  clock = new SimulatedClock(new ProcessLife(time), new WallClock(time));
  clock.sleep = () => Promise.resolve();
  askedMs = 1000;
});

/** Proves what a survey that finds these counts can; every next one is asked for a second later. */
function prover(feed: FakeFeed) {
  const proof = new DeliveryProof(feed as unknown as Feed, clock);
  return (writes: TableWrites, recount: TableWrites[] = []) => {
    const surveyed = (of: TableWrites): Surveyed => ({
      writes: of,
      askedMs: (askedMs += 1000),
      delivered: feed.delivered,
    });
    const again = async () => {
      const next = recount.shift();
      return next && surveyed(next);
    };
    return proof.prove(surveyed(writes), again, signal);
  };
}

describe("at rest", () => {
  test("nothing was written since before the feed was opened", async () => {
    const feed = new FakeFeed(counts({ a: 7 }));
    expect(await prover(feed)(counts({ a: 7 }))).toBe(true);
    expect(feed.told).toEqual([2000]);
  });

  test("nothing was written since the last proof, whatever that was by", async () => {
    const feed = new FakeFeed(undefined);
    const prove = prover(feed);
    feed.fencedMs = 1500;
    expect(await prove(counts({ a: 7 }, "none"))).toBe(true);
    feed.fencedMs = undefined;
    expect(await prove(counts({ a: 7 }, "none"))).toBe(true);
  });

  test("another server that counts, or one that is gone, is not rest", async () => {
    const feed = new FakeFeed(counts({ a: 7 }));
    expect(await prover(feed)(counts({ a: 7, b: 0 }, "none"))).toBe(false);
    expect(await prover(new FakeFeed(counts({ a: 7, b: 1 })))(counts({ a: 7 }))).toBe(false);
  });
});

describe("counted", () => {
  test("as many changes have come as were counted", async () => {
    const feed = new FakeFeed(counts({ a: 7, b: 1 }));
    const prove = prover(feed);
    feed.delivered = 4;
    expect(await prove(counts({ a: 10, b: 3 }))).toBe(false);
    feed.delivered = 5;
    expect(await prove(counts({ a: 10, b: 3 }))).toBe(true);
  });

  test("where each server counts its copy, the primary has counted most", async () => {
    const feed = new FakeFeed(counts({ a: 100, b: 100, c: 7 }));
    const prove = prover(feed);
    feed.delivered = 3;
    expect(await prove(counts({ a: 104, b: 103, c: 8 }, "greatest"))).toBe(false);
    feed.delivered = 4;
    expect(await prove(counts({ a: 104, b: 103, c: 8 }, "greatest"))).toBe(true);
  });

  test("a write that changes nothing is counted too, and never makes up for one that has not come", async () => {
    const feed = new FakeFeed(counts({ a: 0 }));
    const prove = prover(feed);
    feed.delivered = 2;
    expect(await prove(counts({ a: 3 }))).toBe(false);
    feed.fencedMs = 1;
    expect(await prove(counts({ a: 3 }))).toBe(true);
    feed.fencedMs = undefined;
    // At rest: from here on the counts belong together again.
    expect(await prove(counts({ a: 3 }))).toBe(true);
    feed.delivered = 3;
    expect(await prove(counts({ a: 4 }))).toBe(true);
  });

  test("a server that has begun to count anew says nothing, nor does one that is gone", async () => {
    const feed = new FakeFeed(counts({ a: 5, b: 5 }));
    feed.delivered = 2;
    expect(await prover(feed)(counts({ a: 7, b: 0 }, "greatest"))).toBe(false);
    const other = new FakeFeed(counts({ a: 5, b: 5 }));
    other.delivered = 2;
    expect(await prover(other)(counts({ b: 7 }, "greatest"))).toBe(false);
  });

  test("of several shards with several replicas the counts say nothing", async () => {
    const feed = new FakeFeed(counts({ a: 0, b: 0 }));
    feed.delivered = 2;
    expect(await prover(feed)(counts({ a: 1, b: 1 }, "none"))).toBe(false);
  });

  test("a few more counts may find the moment at which all has come", async () => {
    const feed = new FakeFeed(counts({ a: 0 }));
    feed.delivered = 2;
    expect(await prover(feed)(counts({ a: 4 }), [counts({ a: 3 }), counts({ a: 2 })])).toBe(true);
  });
});

describe("fenced", () => {
  test("the chain is told what is proven: the opening of the feed, then each proof", async () => {
    const feed = new FakeFeed(undefined);
    const prove = prover(feed);
    expect(await prove(counts({ a: 1 }))).toBe(false);
    feed.fencedMs = 2500;
    expect(await prove(counts({ a: 2 }))).toBe(true);
    expect(await prove(counts({ a: 3 }))).toBe(true);
    expect(feed.told).toEqual([100, 100, 2500]);
  });
});

describe("fenced, and then counted", () => {
  test("what was written between the count and the opening of the feed is none of the feed's, as a fence shows", async () => {
    const feed = new FakeFeed(counts({ a: 13 }));
    const prove = prover(feed);
    // Of the 17 writes before, four were made after the count of 13 and before the feed was opened.
    feed.delivered = 1;
    expect(await prove(counts({ a: 18 }))).toBe(false);
    feed.delivered = 2;
    feed.fencedMs = 1;
    expect(await prove(counts({ a: 19 }))).toBe(true);
    feed.fencedMs = undefined;
    feed.delivered = 8;
    expect(await prove(counts({ a: 25 }))).toBe(true);
    feed.delivered = 9;
    expect(await prove(counts({ a: 27 }))).toBe(false);
  });

  test("a fence that shows less than is known already changes nothing", async () => {
    const feed = new FakeFeed(counts({ a: 13 }));
    const prove = prover(feed);
    feed.fencedMs = 1;
    feed.delivered = 1;
    expect(await prove(counts({ a: 17 }))).toBe(true);
    // Three more were delivered while the fence was passed.
    feed.delivered = 7;
    expect(await prove(counts({ a: 20 }))).toBe(true);
    feed.fencedMs = undefined;
    expect(await prove(counts({ a: 22 }))).toBe(false);
    feed.delivered = 8;
    expect(await prove(counts({ a: 24 }))).toBe(true);
  });

  test("a replica that is added and filled does not count", async () => {
    const feed = new FakeFeed(counts({ a: 13 }));
    const prove = prover(feed);
    feed.delivered = 1;
    expect(await prove(counts({ a: 14, b: 0 }, "greatest"))).toBe(true);
    feed.delivered = 3;
    expect(await prove(counts({ a: 16, b: 9 }, "greatest"))).toBe(true);
    expect(await prove(counts({ a: 17, b: 17 }, "greatest"))).toBe(false);
    feed.delivered = 4;
    expect(await prove(counts({ a: 17, b: 17 }, "greatest"))).toBe(true);
  });
});

describe("calm", () => {
  test("a second without a write and a delivery, while the feed waits", async () => {
    const feed = new FakeFeed(undefined);
    const prove = prover(feed);
    expect(await prove(counts({ a: 9 }))).toBe(false);
    expect(await prove(counts({ a: 9 }))).toBe(true);
  });

  test.each<[string, (feed: FakeFeed) => TableWrites]>([
    ["a write", () => counts({ a: 10 })],
    [
      "a delivery",
      (feed) => {
        feed.delivered += 1;
        return counts({ a: 9 });
      },
    ],
    [
      "a feed that is being answered",
      (feed) => {
        feed.isWaiting = false;
        return counts({ a: 9 });
      },
    ],
  ])("%s ends it", async (_, disturb) => {
    const feed = new FakeFeed(undefined);
    const prove = prover(feed);
    expect(await prove(counts({ a: 9 }))).toBe(false);
    expect(await prove(disturb(feed))).toBe(false);
  });
});
