/** Steady capture: what it costs to follow a feed, beside the official driver's cursor and a reader of raw frames. */
import { Connection } from "../../src/rethinkdb/connection.js";
import type { Feed, FeedBatch } from "../../src/rethinkdb/feed.js";
import { tableTerm } from "../../src/rethinkdb/reql.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { type DriverConnection, r as driver } from "../server/driver.js";
import { overriding } from "../simulation/overriding.js";
import { capture, dialerTo, type Place } from "./capture.js";
import { orderKey } from "./orders.js";
import { Meter, type Run } from "./report.js";

/** Elements that the server queues for a feed, as capture asks for it. */
const queueElements = 100_000;
/** A feed from which nothing came for so long after the last write has delivered all. */
const silenceMs = 500;

/** One write of all documents was more than a server on a busy machine could take: it ended, out of stacks. */
const rangeDocuments = 1000;
const writesAtOnce = 4;

/** Makes every document of a table change once, as fast as the server can; resolves when it has. */
export type Provoke = () => Promise<unknown>;

export function provoker(
  { db, table }: Place,
  connection: DriverConnection,
  changes: number,
): Provoke {
  let round = 0;
  return async () => {
    // Always of the same length.
    round = (round + 1) % 10;
    let next = 0;
    const write = async () => {
      while (next < changes) {
        const from = next;
        next += rangeDocuments;
        await driver
          .db(db)
          .table(table)
          .between(orderKey(from), orderKey(next))
          .update({ round })
          .run(connection, { durability: "soft" });
      }
    };
    await Promise.all(Array.from({ length: writesAtOnce }, write));
  };
}

/** The limit: the same feed, raw frames thrown away. */
export async function bareFeed(place: Place, provoke: Provoke): Promise<Run> {
  const connection = new Connection(await dialerTo(place)());
  const { db, table: name } = place;
  const stream = connection.stream(
    tableTerm({ db, name }).changes!({ squash: false, changefeedQueueSize: queueElements }),
  );
  await stream.next();
  const meter = new Meter();
  let silence: NodeJS.Timeout | undefined;
  let written = false;
  const end = () => {
    if (written) connection.close();
  };
  const writing = provoke().then(() => {
    written = true;
    silence ??= setTimeout(end, silenceMs);
  });
  try {
    for await (const { bytes } of stream) {
      if (bytes.length === 0) continue;
      meter.stopClock();
      clearTimeout(silence);
      silence = setTimeout(end, silenceMs);
    }
  } catch (error) {
    if (connection.isOpen) throw error;
  }
  await writing;
  return meter.run();
}

interface Cursor {
  each(visit: (error: unknown) => void): void;
  close(): Promise<void>;
}

/** The official driver's cursor, which only counts. */
export async function driverFeed(place: Place, provoke: Provoke, changes: number): Promise<Run> {
  const connection = await driver.connect(place);
  const cursor = (await driver
    .db(place.db)
    .table(place.table)
    .changes({ squash: false, changefeedQueueSize: queueElements })
    .run(connection)) as Cursor;
  const meter = new Meter();
  let count = 0;
  const counted = new Promise<void>((resolve) => {
    cursor.each((error) => {
      // The close below ends it with an error.
      if (!error && (count += 1) === changes) resolve();
    });
  });
  await Promise.all([provoke(), counted]);
  meter.stopClock();
  const run = meter.run();
  await cursor.close();
  await connection.close();
  return run;
}

/** The whole capture, live, into a directory: to the last change appended; CPU until all is stored and it has ended. */
export async function captureFeed(
  place: Place,
  provoke: Provoke,
  changes: number,
  scratch: string[],
): Promise<Run> {
  let meter = new Meter();
  let count = 0;
  let lost: string | undefined;
  const ending = new AbortController();
  const onChange = () => {
    count += 1;
    if (count < changes) return;
    meter.stopClock();
    ending.abort(new Error("the case is over"));
  };
  await capture(place, scratch, {
    once: false,
    signal: ending.signal,
    wrap: (source) => counting(source, onChange),
    observer: {
      state: (_, state) => {
        if (state !== "live") return;
        meter = new Meter();
        void provoke();
      },
      lost: (_, reason) => {
        lost = reason;
        ending.abort(new Error("the case failed"));
      },
    },
  });
  if (lost !== undefined) throw new Error(`the feed was lost: ${lost}`);
  return meter.run();
}

/** A source whose feeds tell of each change. */
function counting(source: Source, onChange: () => void): Source {
  async function* counted(batches: AsyncIterable<FeedBatch>): AsyncGenerator<FeedBatch> {
    for await (const batch of batches) {
      yield {
        forEach: (visit) =>
          batch.forEach((event) => {
            visit(event);
            onChange();
          }),
      };
    }
  }
  return overriding(source, {
    openFeed: async (table) => {
      const feed = await source.openFeed(table);
      return overriding<Feed>(feed, { batches: counted(feed.batches) });
    },
  });
}
