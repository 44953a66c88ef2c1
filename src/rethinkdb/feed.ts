import type { Clock } from "../clock.js";
import { hasAt, JsonBytesError, JsonText, RowPlaces } from "../json-bytes.js";
import {
  type Connection,
  type Pace,
  type ResponseStream,
  responsesAheadMax,
} from "./connection.js";
import type { Response } from "./response.js";

/** One change as the feed delivered it. Slices are valid until the next batch is asked for. */
export interface FeedChange {
  /** JSON text of the primary key. */
  key: Buffer;
  /** JSON text of the document after the change; null for a delete. */
  document: Buffer | null;
  /** JSON text of the document before the change; null for an insert. */
  previous: Buffer | null;
}

/** A feed that goes on, but has dropped changes: the server's queue for us overflowed. */
export interface FeedOverflow {
  overflow: string;
}

/** The changes of one response. */
export interface FeedBatch {
  forEach(visit: (event: FeedChange | FeedOverflow) => void): void;
}

/**
 * An open changefeed over one table. Iterating throws when it is lost: ReqlError (aborted, no permission) or
 * ConnectionLost. Not iterating stops the reading, and the server queues, up to its limit.
 */
export interface Feed {
  batches: AsyncIterable<FeedBatch>;
  /**
   * Resolves after a round trip on the feed's own connection; in a cluster of several servers, one that also reached
   * a majority of the table's replicas, because an isolated primary keeps a feed open in silence.
   */
  roundTrip(): Promise<void>;
  /**
   * Resolves when the server's queue for this feed has been empty at some moment after the call: then what the server
   * had sent before it has come. Under a load that the feed cannot follow this does not resolve.
   */
  drained(clock: Clock, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
  /** Closes the feed's connection, because it does not answer; all feeds on it are lost. */
  disconnect(): void;
}

/** The server takes all that is queued into a response, up to 1 MB: a smaller one has emptied the queue. */
const queuedResponseBytes = 256 * 1024;
/** Requests that find little are this far apart, so that they find more: a response costs as much as ten changes. */
export const requestPauseMs = 20;
/** A feed that had nothing to deliver for so long has an empty queue. */
const quietMs = 100 + requestPauseMs;

/** The pace of one feed's requests. A request after a pause of the source, or after much, is sent at once. */
export function feedPace(clock: Clock): Pace {
  let lastMs = Number.NEGATIVE_INFINITY;
  return ({ bytes }) => {
    const now = clock.monotonicMs();
    const waitMs = bytes.length < queuedResponseBytes ? lastMs + requestPauseMs - now : 0;
    lastMs = now + Math.max(0, waitMs);
    return waitMs > 0 ? clock.sleep(waitMs) : undefined;
  };
}

export class StreamFeed implements Feed {
  /** Responses that were read to their end. */
  private deliveries = 0;
  private lastWasSmall = false;

  constructor(
    private readonly connection: Connection,
    private readonly stream: ResponseStream,
    private readonly first: Response,
    /** Name of the primary key's field, as JSON text. */
    private readonly keyField: Buffer,
    private readonly onClose: () => void,
    /** A read that only a primary with a majority behind it answers; undefined on a single server. */
    private readonly probe: (() => Promise<void>) | undefined,
  ) {}

  get batches(): AsyncIterable<FeedBatch> {
    return this.read();
  }

  async roundTrip(): Promise<void> {
    if (this.probe) await this.probe();
    else await this.connection.roundTrip();
  }

  async drained(clock: Clock, signal: AbortSignal): Promise<void> {
    // What was asked for before the call says nothing of the queue after it.
    const askedAfter = this.deliveries + responsesAheadMax + 1;
    for (;;) {
      const { deliveries } = this;
      await clock.sleep(quietMs, signal);
      const came = this.deliveries !== deliveries;
      const emptied = this.lastWasSmall && this.deliveries >= askedAfter;
      if (came ? emptied : this.stream.isWaiting) return;
    }
  }

  async close(): Promise<void> {
    await this.stream.return();
    this.onClose();
  }

  disconnect(): void {
    this.connection.close();
  }

  private async *read(): AsyncGenerator<FeedBatch> {
    yield new ResponseBatch(this.first, this.keyField);
    for await (const response of this.stream) {
      yield new ResponseBatch(response, this.keyField);
      this.deliveries += 1;
      this.lastWasSmall = response.bytes.length < queuedResponseBytes;
      this.connection.recycle(response);
    }
  }
}

const newValue = Buffer.from('{"new_val":');
const oldValue = Buffer.from(',"old_val":');
const nullValue = Buffer.from("null");
const overflowError = Buffer.from('{"error":');

/** Rows are cut in one pass, by their fixed form: {"new_val":…,"old_val":…} or {"error":"…"}. */
class ResponseBatch implements FeedBatch {
  private readonly text: JsonText;
  private readonly places = new RowPlaces(1);

  constructor(
    private readonly response: Response,
    private readonly keyField: Buffer,
  ) {
    this.text = new JsonText(response.bytes);
  }

  forEach(visit: (event: FeedChange | FeedOverflow) => void): void {
    const { bytes, firstRow } = this.response;
    if (bytes[firstRow] === 0x5d) return;
    for (let at = firstRow; ; at += 1) {
      at = hasAt(bytes, at, newValue) ? this.readChange(at, visit) : this.readOverflow(at, visit);
      if (bytes[at] === 0x5d) return;
      if (bytes[at] !== 0x2c) throw new JsonBytesError(`no comma at byte ${at}`);
    }
  }

  private readChange(start: number, visit: (event: FeedChange) => void): number {
    const { text, places } = this;
    const { bytes } = text;
    places.clear();
    const newStart = start + newValue.length;
    const newEnd = this.cut(newStart);
    if (!hasAt(bytes, newEnd, oldValue)) throw new JsonBytesError(`no old_val at byte ${newEnd}`);
    const oldStart = newEnd + oldValue.length;
    // Both have the same key: it is cut out of one.
    const oldEnd = places.count === 0 ? this.cut(oldStart) : text.endOfValue(oldStart);
    if (bytes[oldEnd] !== 0x7d) throw new JsonBytesError(`no end of row at byte ${oldEnd}`);
    if (places.count === 0) throw new JsonBytesError(`no document in the row at byte ${start}`);
    visit({
      key: places.value(bytes, 0),
      document: documentAt(bytes, newStart, newEnd),
      previous: documentAt(bytes, oldStart, oldEnd),
    });
    return oldEnd + 1;
  }

  /** Position after the document or null at `start`; of a document it is noted where it is, and its key. */
  private cut(start: number): number {
    const { text, places } = this;
    if (hasAt(text.bytes, start, nullValue)) return start + nullValue.length;
    return text.cutObject(start, this.keyField, places);
  }

  private readOverflow(start: number, visit: (event: FeedOverflow) => void): number {
    const { bytes } = this.text;
    const end = this.text.endOfValue(start);
    if (!hasAt(bytes, start, overflowError)) {
      throw new JsonBytesError(
        `a row of an unknown form: ${bytes.toString("utf8", start, start + 40)}`,
      );
    }
    const { error } = JSON.parse(bytes.toString("utf8", start, end)) as { error: string };
    visit({ overflow: error });
    return end;
  }
}

function documentAt(bytes: Buffer, start: number, end: number): Buffer | null {
  return bytes[start] === 0x7b ? bytes.subarray(start, end) : null;
}
