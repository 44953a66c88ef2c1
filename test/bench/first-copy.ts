import { fieldName, fieldOf } from "../../src/json-bytes.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r, tableTerm } from "../../src/rethinkdb/reql.js";
import { type CaptureCase, capture, dialerTo, type Place } from "./capture.js";
import { Meter, type Run } from "./report.js";

const chunkDocuments = 20_000;

/** The limit: the same scan, raw frames thrown away; only the last key of a chunk is cut out. */
export function bareScan(place: Place): Promise<Run> {
  return bareScans(place, [[r.minval, r.maxval]]);
}

/** The same by several connections, each with its range of keys: after the first bound, up to the second. */
export async function bareScans(place: Place, ranges: [unknown, unknown][]): Promise<Run> {
  const dial = dialerTo(place);
  const connections = await Promise.all(ranges.map(async () => new Connection(await dial())));
  const meter = new Meter();
  await Promise.all(ranges.map((range, i) => readRange(connections[i]!, place, range)));
  meter.stopClock();
  for (const connection of connections) connection.close();
  return meter.run();
}

async function readRange(
  connection: Connection,
  { db, table: name }: Place,
  [after, upTo]: [unknown, unknown],
): Promise<void> {
  const key = fieldName("id");
  let low = after;
  for (;;) {
    const bounds = { leftBound: "open", rightBound: "closed" };
    const range = tableTerm({ db, name }).between!(low, upTo, bounds);
    const chunk = range.orderBy!({ index: "id" }).limit!(chunkDocuments);
    let last: Buffer | undefined;
    for await (const { bytes } of connection.stream(chunk)) {
      const row = bytes.lastIndexOf('{"customer":{"name"');
      if (row === -1) continue;
      const { start, end } = fieldOf(bytes, row, key)!;
      last = bytes.subarray(start, end);
    }
    if (!last) return;
    low = r.expr(JSON.parse(last.toString()));
  }
}

/** A first copy by the whole capture, into a directory: from the open feed to the last row; CPU to the last stored part. */
export async function firstCopy(
  place: Place,
  scratch: string[],
  bothEndsFrom?: number,
  seal?: CaptureCase["seal"],
): Promise<Run> {
  let meter = new Meter();
  await capture(place, scratch, {
    once: true,
    ...(bothEndsFrom === undefined ? {} : { bothEndsFrom }),
    ...(seal ? { seal } : {}),
    signal: new AbortController().signal,
    observer: {
      state: (_, state) => {
        if (state === "copying") meter = new Meter();
      },
      scanned: () => meter.stopClock(),
    },
  });
  return meter.run();
}
