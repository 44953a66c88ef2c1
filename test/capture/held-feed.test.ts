/** Feeds that are kept in memory until their changes may be appended. */
import { expect, test } from "vitest";
import { HeldBytes, HeldFeed } from "../../src/capture/held-feed.js";
import type { Feed, FeedBatch, FeedChange, FeedOverflow } from "../../src/rethinkdb/feed.js";

type Event = FeedChange | FeedOverflow;

/** A feed that delivers what it is given. */
class GivenFeed {
  isClosed = false;
  private readonly waiting: ((next: IteratorResult<FeedBatch>) => void)[] = [];
  private fail: (error: Error) => void = () => undefined;

  readonly feed = {
    delivered: 0,
    batches: {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise<IteratorResult<FeedBatch>>((resolve, reject) => {
            this.waiting.push(resolve);
            this.fail = reject;
          }),
      }),
    },
    close: () => {
      this.isClosed = true;
      return Promise.resolve();
    },
  } as unknown as Feed;

  /** Delivers a batch, and lets whoever waits for it take it. */
  async give(...events: Event[]): Promise<void> {
    this.waiting.shift()!({ done: false, value: { forEach: (visit) => events.forEach(visit) } });
    await settled();
  }

  async end(): Promise<void> {
    this.waiting.shift()!({ done: true, value: undefined });
    await settled();
  }

  async lose(error: Error): Promise<void> {
    this.fail(error);
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

const change = (key: number, bytes = 10): FeedChange => ({
  key: Buffer.from(String(key)),
  document: Buffer.alloc(bytes, 0x78),
  previous: null,
});

const room = () => new HeldBytes(1_000_000);
const follow = () => undefined;

const keys = (events: Event[]) =>
  events.map((event) => ("overflow" in event ? event.overflow : event.key.toString()));

function released(held: HeldFeed): string[] {
  const events: Event[] = [];
  held.release((event) => events.push(event));
  return keys(events);
}

test("what was delivered before is handed on in its order, and then what comes", async () => {
  const given = new GivenFeed();
  const held = new HeldFeed(given.feed, room(), follow);
  const lent = change(1);
  await given.give(lent);
  // The buffers of a batch are used again for the next one.
  lent.key.fill(0x39);
  await given.give(change(2), change(3));
  expect(released(held)).toEqual(["1", "2", "3"]);
  const later: Event[] = [];
  const reading = (async () => {
    for await (const batch of held.batches) batch.forEach((event) => later.push(event));
  })();
  await given.give(change(4));
  await given.end();
  await reading;
  expect(keys(later)).toEqual(["4"]);
  expect(held.isLost).toBe(false);
});

test("an overflow is handed on in its place", async () => {
  const given = new GivenFeed();
  const held = new HeldFeed(given.feed, room(), follow);
  await given.give(change(1), { overflow: "dropped" }, change(2));
  expect(released(held)).toEqual(["1", "dropped", "2"]);
});

test.each([
  ["ends", (given: GivenFeed) => given.end(), /the feed ended/],
  ["is lost", (given: GivenFeed) => given.lose(new Error("reset")), /reset/],
  ["delivers what cannot be read", badRow, /an unknown form/],
])("a feed that %s is known to be lost, with the reason", async (_, what, reason) => {
  const given = new GivenFeed();
  const held = new HeldFeed(given.feed, room(), follow);
  await given.give(change(1));
  await what(given);
  expect(held.isLost).toBe(true);
  expect((await held.ended).message).toMatch(reason);
  expect(released(held)).toEqual([]);
});

/** Delivers a row that is not one. */
async function badRow(given: GivenFeed): Promise<void> {
  await given.give({
    get key(): Buffer {
      throw new Error("a row of an unknown form");
    },
    document: null,
    previous: null,
  });
}

test("if memory does not suffice, the feed that keeps most is given up, and no other", async () => {
  const shared = new HeldBytes(10_000);
  const [busy, quiet] = [new GivenFeed(), new GivenFeed()];
  const heldBusy = new HeldFeed(busy.feed, shared, follow);
  const heldQuiet = new HeldFeed(quiet.feed, shared, follow);
  await busy.give(change(1, 6000));
  await quiet.give(change(2, 5000));
  expect((await heldBusy.ended).message).toMatch(/more changes came than memory can keep/);
  expect([heldBusy.isLost, heldQuiet.isLost]).toEqual([true, false]);
  // What the other one kept is free again.
  await quiet.give(change(3, 4000));
  expect(released(heldQuiet)).toEqual(["2", "3"]);
});

test("what was released takes no room any more", async () => {
  const shared = new HeldBytes(10_000);
  const [one, other] = [new GivenFeed(), new GivenFeed()];
  const heldOne = new HeldFeed(one.feed, shared, follow);
  const heldOther = new HeldFeed(other.feed, shared, follow);
  await one.give(change(1, 8000));
  expect(released(heldOne)).toEqual(["1"]);
  await other.give(change(2, 8000));
  expect(heldOther.isLost).toBe(false);
  await heldOther.close();
  expect(other.isClosed).toBe(true);
});
