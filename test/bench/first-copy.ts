import { fieldName, fieldOf } from "../../src/json-bytes.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r, tableTerm } from "../../src/rethinkdb/reql.js";
import { capture, dialerTo, type Place } from "./capture.js";
import { Meter, type Run } from "./report.js";

const chunkDocuments = 20_000;

/** The limit: the same walk, raw frames thrown away; only the last key of a chunk is cut out. */
export async function bareWalk(place: Place): Promise<Run> {
  const { db, table: name } = place;
  const connection = new Connection(await dialerTo(place)());
  const key = fieldName("id");
  const meter = new Meter();
  let low: unknown = r.minval;
  for (;;) {
    const chunk = tableTerm({ db, name }).between!(low, r.maxval, { leftBound: "open" }).orderBy!({
      index: "id",
    }).limit!(chunkDocuments);
    let last: Buffer | undefined;
    for await (const { bytes } of connection.stream(chunk)) {
      const row = bytes.lastIndexOf('{"customer":{"name"');
      if (row === -1) continue;
      const { start, end } = fieldOf(bytes, row, key)!;
      last = bytes.subarray(start, end);
    }
    if (!last) break;
    low = r.expr(JSON.parse(last.toString()));
  }
  meter.stopClock();
  connection.close();
  return meter.run();
}

/** A first copy by the whole capture, into a directory: from the open feed to the last row; CPU to the last stored part. */
export async function firstCopy(place: Place, scratch: string[]): Promise<Run> {
  let meter = new Meter();
  await capture(place, scratch, {
    once: true,
    signal: new AbortController().signal,
    observer: {
      state: (_, state) => {
        if (state === "copying") meter = new Meter();
      },
      walked: () => meter.stopClock(),
    },
  });
  return meter.run();
}
