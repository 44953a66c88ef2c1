import { expect, test } from "vitest";
import { DeliveryProof, type Surveyed } from "../../src/capture/delivery-proof.js";
import { systemClock } from "../../src/clock.js";
import type { Feed } from "../../src/rethinkdb/feed.js";
import type { TableWrites } from "../../src/rethinkdb/table-writes.js";

const counted = (writes: number): TableWrites => ({
  byServer: new Map([["one", writes]]),
  total: "sum",
});

/** A feed whose fences prove what they are told to. */
class ScriptedFeed implements Feed {
  delivered = 0;
  readonly isWaiting = true;
  readonly openedMs = 0;
  readonly writesBefore = counted(13);
  readonly passes: (number | undefined)[] = [];
  readonly fences = {
    pass: () => Promise.resolve(this.passes.shift()),
    note: () => Promise.resolve(),
  };
  readonly batches = {
    async *[Symbol.asyncIterator]() {},
  };
  roundTrip = () => Promise.resolve();
  drained = () => Promise.resolve();
  close = () => Promise.resolve();
  disconnect = () => undefined;
}

function survey(feed: ScriptedFeed, writes: number, delivered: number): Surveyed {
  feed.delivered = delivered;
  return { writes: counted(writes), askedMs: 1000 * writes, delivered };
}

test("what was written between the count and the opening of the feed is known to be none of the feed's after a fence", async () => {
  const feed = new ScriptedFeed();
  const proof = new DeliveryProof(feed, systemClock);
  const prove = (writes: number, delivered: number) =>
    proof.prove(
      survey(feed, writes, delivered),
      async () => undefined,
      new AbortController().signal,
    );
  // Four writes of the 17 before were made after the count of 13, and before the feed was opened.
  expect(await prove(18, 1)).toBe(false);
  feed.passes.push(18_500);
  expect(await prove(19, 2)).toBe(true);
  // The table is written on, and no fence passes any more: the counts are proof.
  expect(await prove(25, 8)).toBe(true);
  expect(await prove(27, 9)).toBe(false);
});

test("a count that a fence shows to be too great a reserve is not taken for it", async () => {
  const feed = new ScriptedFeed();
  const proof = new DeliveryProof(feed, systemClock);
  const prove = (writes: number, delivered: number) =>
    proof.prove(
      survey(feed, writes, delivered),
      async () => undefined,
      new AbortController().signal,
    );
  feed.passes.push(17_500, 20_500);
  expect(await prove(17, 1)).toBe(true);
  // Three more were delivered while the fence was passed: it says less than what is known already.
  expect(await prove(20, 7)).toBe(true);
  expect(await prove(22, 7)).toBe(false);
  expect(await prove(24, 8)).toBe(true);
});

test("a replica that is being filled does not count", async () => {
  const feed = new ScriptedFeed();
  const proof = new DeliveryProof(feed, systemClock);
  const prove = (byServer: [string, number][], delivered: number) => {
    const writes: TableWrites = { byServer: new Map(byServer), total: "greatest", primary: "one" };
    const surveyed = { ...survey(feed, 0, delivered), writes };
    return proof.prove(surveyed, async () => undefined, new AbortController().signal);
  };
  expect(
    await prove(
      [
        ["one", 14],
        ["two", 0],
      ],
      1,
    ),
  ).toBe(true);
  expect(
    await prove(
      [
        ["one", 16],
        ["two", 9],
      ],
      3,
    ),
  ).toBe(true);
  expect(
    await prove(
      [
        ["one", 17],
        ["two", 17],
      ],
      3,
    ),
  ).toBe(false);
  expect(
    await prove(
      [
        ["one", 17],
        ["two", 17],
      ],
      4,
    ),
  ).toBe(true);
});
