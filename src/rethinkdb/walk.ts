import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import type { Connection } from "./connection.js";
import { r, tableTerm } from "./reql.js";
import type { Response } from "./response.js";
import { type TableReference, TableReplaced } from "./source.js";

/** A place in the order of the log; see LogWriter.stamp. */
export interface Stamp {
  time: number;
  sequence: number;
}

export interface WalkOptions {
  /** JSON text of the key after which to begin; from the first key if absent. */
  after?: Buffer;
  /** Documents of one request. */
  chunkDocuments?: number;
  /** Called right before each request is sent. */
  stamp: () => Stamp;
  /** Ends the walk at once, even while the server does not answer. */
  signal: AbortSignal;
}

/** Rows of one response, in key order. Slices are valid until the next batch is asked for. */
export interface WalkBatch {
  stamp: Stamp;
  /** JSON text of the last row's key, for good; undefined if the batch is empty. */
  lastKey: Buffer | undefined;
  forEach(visit: (key: Buffer, document: Buffer) => void): void;
}

/**
 * Each request is one query on one primary, and rows that it read early may come late in it; so all its rows carry the
 * stamp of its start. Large enough that starting anew costs nothing, small enough that a stamp is not old.
 */
const chunkDocumentsDefault = 20_000;

export async function* walkTable(
  connection: Connection,
  table: TableReference,
  options: WalkOptions,
): AsyncGenerator<WalkBatch> {
  const key = fieldName(table.primaryKey);
  const places = new RowPlaces();
  const limit = options.chunkDocuments ?? chunkDocumentsDefault;
  let after = options.after;
  let identity: Promise<void> = Promise.resolve();
  const request = () => ({
    stamp: options.stamp(),
    responses: connection.stream(chunkTerm(table, after, limit)),
  });
  for (let chunk: ReturnType<typeof request> | undefined = request(); chunk; ) {
    const { stamp, responses } = chunk;
    chunk = undefined;
    let count = 0;
    for await (const response of responses) {
      // The check of the chunk before travels with the request of this one.
      await identity;
      const batch = new WalkRows(response, key, places, stamp);
      count += places.count;
      after = batch.lastKey ?? after;
      if (!response.isPartial) {
        identity = checkIdentity(connection, table);
        identity.catch(() => undefined);
        // Sent before the last rows are handed on, so that the server need not wait for them.
        if (count >= limit) chunk = request();
      }
      yield batch;
      connection.recycle(response);
    }
  }
  await identity;
}

function chunkTerm(table: TableReference, after: Buffer | undefined, limit: number) {
  const low = after === undefined ? r.minval : r.expr(JSON.parse(after.toString("utf8")), 100);
  return tableTerm(table).between!(low, r.maxval, { leftBound: "open" }).orderBy!({
    index: table.primaryKey,
  }).limit!(limit);
}

/** A name may have come to stand for another table since the request was sent. */
export async function checkIdentity(connection: Connection, table: TableReference): Promise<void> {
  const id = await connection.value<string>(tableTerm(table).info!().bracket!("id"));
  if (id !== table.id) throw new TableReplaced(table);
}

class WalkRows implements WalkBatch {
  readonly lastKey: Buffer | undefined;

  constructor(
    private readonly response: Response,
    key: Buffer,
    private readonly places: RowPlaces,
    readonly stamp: Stamp,
  ) {
    const { bytes, firstRow } = response;
    new JsonText(bytes).cutRows(firstRow, key, places);
    if (places.count > 0) this.lastKey = Buffer.from(places.value(bytes, places.count - 1));
  }

  forEach(visit: (key: Buffer, document: Buffer) => void): void {
    const { bytes } = this.response;
    const { places } = this;
    for (let row = 0; row < places.count; row += 1) {
      visit(places.value(bytes, row), places.object(bytes, row));
    }
  }
}
