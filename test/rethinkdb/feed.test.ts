import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.js";
import { fieldName, JsonBytesError } from "../../src/json-bytes.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import {
  type FeedChange,
  type FeedOverflow,
  feedPace,
  StreamFeed,
} from "../../src/rethinkdb/feed.js";
import { Response, responseTypes } from "../../src/rethinkdb/response.js";
import { scriptedChannel } from "./scripted-channel.js";

/** A clock whose time moves when the test says so. */
class ManualClock implements Clock {
  ms = 0;
  private waiting: { atMs: number; resolve: () => void }[] = [];

  now = () => this.ms;
  monotonicMs = () => this.ms;
  sleep = (ms: number) =>
    new Promise<void>((resolve) => this.waiting.push({ atMs: this.ms + ms, resolve }));

  async advance(ms: number): Promise<void> {
    this.ms += ms;
    for (const { resolve } of this.waiting.filter(({ atMs }) => atMs <= this.ms)) resolve();
    this.waiting = this.waiting.filter(({ atMs }) => atMs > this.ms);
    await settled();
  }
}

/** Everything that the scripted channel and the promises have to do has been done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const never = () => Promise.reject(new Error("nothing is to be proven"));
const partial = (rows: unknown[]) => ({ t: responseTypes.partial, r: rows, n: [1] });
const term = { build: () => "a feed" };

/** What a feed that is sent these rows, so many in a response, hands on. */
async function readFeed(rows: unknown[], perResponse: number) {
  const responses: unknown[][] = [];
  for (let at = 0; at < rows.length; at += perResponse) {
    responses.push(rows.slice(at, at + perResponse));
  }
  const connection = new Connection(
    scriptedChannel((_, answer) => {
      const next = responses.shift();
      answer(next ? partial(next) : { t: responseTypes.sequence, r: [], n: [] });
    }),
  );
  const stream = connection.stream(term);
  const close = () => undefined;
  const owner = { onClose: close, onSilent: close, onCutOff: close };
  const fences = { pass: never, note: () => undefined, close };
  const opened = { fences, openedMs: 0, writesBefore: undefined };
  const feed = new StreamFeed(connection, stream, fieldName("id"), opened, owner);
  await feed.begin();
  const events: object[] = [];
  const text = (bytes: Buffer | null) => bytes?.toString() ?? null;
  const visit = (event: FeedChange | FeedOverflow) => {
    if ("overflow" in event) events.push({ ...event });
    else {
      const { key, document, previous } = event;
      events.push({ key: text(key), document: text(document), previous: text(previous) });
    }
  };
  for await (const batch of feed.batches) batch.forEach(visit);
  return events;
}

describe("a feed", () => {
  const id = fc.oneof(fc.string(), fc.integer(), fc.array(fc.integer(), { maxLength: 2 }));
  const fields = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
  const change = fc
    .record({ id, before: fc.option(fields), after: fc.option(fields) })
    .filter(({ before, after }) => before !== null || after !== null)
    .map(({ id: of, before, after }) => ({
      new_val: after && { ...after, id: of },
      old_val: before && { ...before, id: of },
    }));
  const overflow = fc.string().map((error) => ({ error }));

  test("hands on every change and overflow in order, as the server's own bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 5, arbitrary: change }, overflow), { maxLength: 9 }),
        fc.integer({ min: 1, max: 4 }),
        async (rows, perResponse) => {
          const text = (value: unknown) => (value === null ? null : JSON.stringify(value));
          expect(await readFeed(rows, perResponse)).toEqual(
            rows.map((row) =>
              "error" in row
                ? { overflow: row.error }
                : {
                    key: JSON.stringify((row.new_val ?? row.old_val)!.id),
                    document: text(row.new_val),
                    previous: text(row.old_val),
                  },
            ),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([
    { state: "ready" },
    { new_val: { id: 1 } },
    { new_val: { a: 1 }, old_val: null },
    { new_val: null, old_val: null },
    { new_val: { id: 1 }, old_val: { id: 1 }, type: "change" },
    7,
  ])("throws on the row %j, which is none of a feed", async (row) => {
    await expect(readFeed([row], 1)).rejects.toThrow(JsonBytesError);
  });
});

describe("the pace of a feed's requests", () => {
  const response = (bytes: number) =>
    new Response(Buffer.from(`{"t":3,"r":["${"x".repeat(bytes)}"],"n":[]}`));

  test("a request comes 20 ms after the last one, at once after a pause or after much", async () => {
    const clock = new ManualClock();
    const pace = feedPace(clock);
    const isDue = async (wait: Promise<void> | undefined) => {
      let due = false;
      void wait?.then(() => (due = true));
      await settled();
      return wait === undefined || due;
    };
    expect(pace(response(10))).toBeUndefined();
    await clock.advance(5);
    const second = pace(response(10));
    await clock.advance(14);
    expect(await isDue(second)).toBe(false);
    await clock.advance(1);
    expect(await isDue(second)).toBe(true);
    expect(pace(response(300_000))).toBeUndefined();
    await clock.advance(20);
    expect(pace(response(10))).toBeUndefined();
  });

  test("holds requests back, and while it does nothing is waited for", async () => {
    const clock = new ManualClock();
    let asked = 0;
    const connection = new Connection(
      scriptedChannel(({ query }, answer) => {
        asked += 1;
        // The last request finds nothing, and waits at the server.
        if (query[0] !== 3 && asked < 4)
          answer(partial([{ new_val: { id: asked }, old_val: null }]));
      }),
    );
    const stream = connection.stream(term, {}, feedPace(clock));
    const reading = (async () => {
      for await (const response of stream) void response;
    })();
    await settled();
    // The query itself, and the first request for more.
    expect([asked, stream.isWaiting]).toEqual([2, false]);
    await clock.advance(20);
    expect([asked, stream.isWaiting]).toEqual([3, false]);
    await clock.advance(20);
    expect([asked, stream.isWaiting]).toEqual([4, true]);
    await stream.return();
    await reading;
    expect(asked).toBe(5);
  });

  test("a stream that is closed during the pause asks no more", async () => {
    const clock = new ManualClock();
    const queries: number[] = [];
    const connection = new Connection(
      scriptedChannel(({ query }, answer) => {
        queries.push(query[0]);
        answer(partial([]));
      }),
    );
    const stream = connection.stream(term, {}, feedPace(clock));
    await stream.next();
    await stream.next();
    await settled();
    await stream.return();
    await clock.advance(100);
    expect(queries).toEqual([1, 2, 3]);
  });
});
