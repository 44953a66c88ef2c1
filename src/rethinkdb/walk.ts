import { damaged } from "../errors.js";
import { fieldName, JsonBytesError, placeOfRow } from "../json-bytes.js";
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

/** Rows of one response, in key order. Slices are valid as long as the batch is kept. */
export interface WalkBatch {
  stamp: Stamp;
  /** JSON text of the last row's key; undefined if the batch is empty. */
  lastKey: Buffer | undefined;
  forEach(visit: (key: Buffer, document: Buffer) => void): void;
}

const comma = 0x2c;
const closeBracket = 0x5d;

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
  const limit = options.chunkDocuments ?? chunkDocumentsDefault;
  let after = options.after;
  let identity: Promise<void> = Promise.resolve();
  for (;;) {
    const stamp = options.stamp();
    let count = 0;
    for await (const response of connection.stream(chunkTerm(table, after, limit))) {
      // The check of the chunk before travels with the request of this one.
      await identity;
      const batch = new WalkRows(response, key, stamp);
      yield batch;
      count += batch.count;
      after = batch.lastKey ?? after;
    }
    identity = checkIdentity(connection, table);
    identity.catch(() => undefined);
    if (count < limit) {
      await identity;
      return;
    }
  }
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
  count = 0;
  lastKey: Buffer | undefined;
  /** Four offsets a row: begin and end of the document, begin and end of its key. */
  private readonly places: number[] = [];

  constructor(
    private readonly response: Response,
    key: Buffer,
    readonly stamp: Stamp,
  ) {
    const { bytes } = response;
    for (let at = response.firstRow; bytes[at] !== closeBracket; ) {
      const { end, value } = placeOfRow(bytes, at, key);
      if (!value) throw damaged("(server response)", "a document has no primary key");
      this.places.push(at, end, value.start, value.end);
      if (bytes[end] === closeBracket) break;
      if (bytes[end] !== comma) throw new JsonBytesError(`no comma at byte ${end}`);
      at = end + 1;
    }
    this.count = this.places.length / 4;
    const [keyStart, keyEnd] = this.places.slice(-2);
    if (this.count > 0) this.lastKey = bytes.subarray(keyStart, keyEnd);
  }

  forEach(visit: (key: Buffer, document: Buffer) => void): void {
    const { bytes } = this.response;
    const { places } = this;
    for (let i = 0; i < places.length; i += 4) {
      visit(bytes.subarray(places[i + 2], places[i + 3]), bytes.subarray(places[i], places[i + 1]));
    }
  }
}
