import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import { compareKeys } from "../key-order.js";
import type { Connection } from "./connection.js";
import { r, valueTerm } from "./reql.js";
import type { Response } from "./response.js";
import { heldTable, orReplaced, toldApart } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";

/** A place in the order of the log; see LogWriter.stamp. */
export interface Stamp {
  time: number;
  sequence: number;
}

/** From the first key to the last, or from the last to the first. */
export type ScanOrder = "rising" | "falling";

export interface ScanOptions {
  /** Rising if absent. */
  order?: ScanOrder;
  /** JSON text of the key after which, in this order, the scan begins; if absent, it begins with the first key. */
  after?: Buffer;
  /**
   * JSON text of the key where the scan may end; the last batch may hold rows beyond it. Called again and again,
   * because another scan may be coming from the other end.
   */
  until?: () => Buffer | undefined;
  /** How many documents one request asks for. */
  chunkDocuments?: number;
  /** Called right before each request is sent. */
  stamp: () => Stamp;
  /** Ends the scan at once, even while the server does not answer. */
  signal: AbortSignal;
}

/** Rows of one response. Slices are valid until the next batch is asked for. */
export interface ScanBatch {
  stamp: Stamp;
  /** JSON text of the key that the scan has reached; stays valid. Undefined if the batch is empty. */
  lastKey: Buffer | undefined;
  /** Visits the rows in rising order of keys, whatever the order of the scan. */
  forEach(visit: (key: Buffer, document: Buffer) => void): void;
}

/**
 * How many documents one request asks for: enough that another request costs nothing, few enough that a stamp is not
 * old. Each request is one query on one primary. A row that it read early may come late, so all its rows carry the
 * stamp of the request's start.
 */
const chunkDocumentsDefault = 20_000;

export async function* scanTable(
  connection: Connection,
  table: TableReference,
  options: ScanOptions,
): AsyncGenerator<ScanBatch> {
  try {
    yield* scanName(connection, table, options);
  } catch (error) {
    throw await toldApart(error, connection, table);
  }
}

/** Scans the table by its name; fails if the name stands for another table. */
async function* scanName(
  connection: Connection,
  table: TableReference,
  options: ScanOptions,
): AsyncGenerator<ScanBatch> {
  const key = fieldName(table.primaryKey);
  const places = new RowPlaces();
  const { order = "rising", chunkDocuments: limit = chunkDocumentsDefault } = options;
  let after = options.after;
  const request = () => ({
    stamp: options.stamp(),
    responses: connection.stream(chunkTerm(table, order, after, options.until?.(), limit)),
  });
  for (let chunk: ReturnType<typeof request> | undefined = request(); chunk; ) {
    const { stamp, responses } = chunk;
    chunk = undefined;
    let count = 0;
    for await (const response of responses) {
      const batch = new ScanRows(response, key, places, stamp, order);
      count += places.count;
      after = batch.lastKey ?? after;
      // The next request is sent before the last rows are handed on, so that the server does not wait for the consumer.
      if (!response.isPartial && count >= limit) chunk = request();
      yield batch;
      connection.recycle(response);
      if (isReached(order, after, options.until?.())) return;
    }
  }
}

function isReached(order: ScanOrder, key: Buffer | undefined, end: Buffer | undefined): boolean {
  if (key === undefined || end === undefined) return false;
  const beyond = compareKeys(key, end);
  return order === "rising" ? beyond >= 0 : beyond <= 0;
}

function chunkTerm(
  table: TableReference,
  order: ScanOrder,
  after: Buffer | undefined,
  until: Buffer | undefined,
  limit: number,
) {
  const isRising = order === "rising";
  const [low, high] = isRising ? [after, until] : [until, after];
  const index = isRising ? table.primaryKey : r.desc(table.primaryKey);
  const range = heldTable(table).between!(
    low ? valueTerm(low) : r.minval,
    high ? valueTerm(high) : r.maxval,
    { leftBound: orReplaced(table, "open"), rightBound: "open" },
  );
  return range.orderBy!({ index }).limit!(limit);
}

class ScanRows implements ScanBatch {
  readonly lastKey: Buffer | undefined;

  constructor(
    private readonly response: Response,
    key: Buffer,
    private readonly places: RowPlaces,
    readonly stamp: Stamp,
    private readonly order: ScanOrder,
  ) {
    const { bytes, firstRow } = response;
    new JsonText(bytes).cutRows(firstRow, key, places);
    if (places.count > 0) this.lastKey = Buffer.from(places.value(bytes, places.count - 1));
  }

  forEach(visit: (key: Buffer, document: Buffer) => void): void {
    const { bytes } = this.response;
    const { places } = this;
    const last = places.count - 1;
    for (let i = 0; i <= last; i += 1) {
      const row = this.order === "rising" ? i : last - i;
      visit(places.value(bytes, row), places.object(bytes, row));
    }
  }
}
