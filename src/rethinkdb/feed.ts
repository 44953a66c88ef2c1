import type { Clock } from "../clock.js";
import { hasAt, JsonBytesError, JsonText } from "../json-bytes.js";
import { type Connection, type ResponseStream, responsesAheadMax } from "./connection.js";
import type { Response } from "./response.js";

/** One change as the feed delivered it. Slices are valid until the next batch is asked for. */
export interface FeedChange {
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

/** A feed that had nothing to deliver for so long has an empty queue. */
const quietMs = 100;
/** The server takes all that is queued into a response, up to 1 MB: a smaller one has emptied the queue. */
const queuedResponseBytes = 256 * 1024;

export class StreamFeed implements Feed {
  /** Responses that were read to their end. */
  private deliveries = 0;
  private lastWasSmall = false;

  constructor(
    private readonly connection: Connection,
    private readonly stream: ResponseStream,
    private readonly first: Response,
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
    yield new ResponseBatch(this.first);
    for await (const response of this.stream) {
      yield new ResponseBatch(response);
      this.deliveries += 1;
      this.lastWasSmall = response.bytes.length < queuedResponseBytes;
      this.connection.recycle(response);
    }
  }
}

class ResponseBatch implements FeedBatch {
  constructor(private readonly response: Response) {}

  /** Rows are cut in one pass, by their fixed form: {"new_val":…,"old_val":…} or {"error":"…"}. */
  forEach(visit: (event: FeedChange | FeedOverflow) => void): void {
    const { bytes } = this.response;
    const text = new JsonText(bytes);
    let at = this.response.firstRow;
    if (bytes[at] === 0x5d) return;
    for (;;) {
      at = readRow(text, at, visit);
      const next = bytes[at];
      if (next === 0x5d) return;
      if (next !== 0x2c) throw new JsonBytesError(`no comma at byte ${at}`);
      at += 1;
    }
  }
}

const newValue = Buffer.from('{"new_val":');
const oldValue = Buffer.from(',"old_val":');
const overflowError = Buffer.from('{"error":');

function readRow(
  text: JsonText,
  start: number,
  visit: (event: FeedChange | FeedOverflow) => void,
): number {
  const { bytes } = text;
  if (hasAt(bytes, start, newValue)) {
    const newStart = start + newValue.length;
    const newEnd = text.endOfValue(newStart);
    if (!hasAt(bytes, newEnd, oldValue)) throw new JsonBytesError(`no old_val at byte ${newEnd}`);
    const oldStart = newEnd + oldValue.length;
    const oldEnd = text.endOfValue(oldStart);
    if (bytes[oldEnd] !== 0x7d) throw new JsonBytesError(`no end of row at byte ${oldEnd}`);
    visit({
      document: documentAt(bytes, newStart, newEnd),
      previous: documentAt(bytes, oldStart, oldEnd),
    });
    return oldEnd + 1;
  }
  const end = text.endOfValue(start);
  if (!hasAt(bytes, start, overflowError)) {
    throw new JsonBytesError(
      `a row of an unknown form: ${bytes.toString("utf8", start, start + 40)}`,
    );
  }
  const { error } = JSON.parse(bytes.toString("utf8", start, end)) as { error: string };
  visit({ overflow: error });
  return end;
}

function documentAt(bytes: Buffer, start: number, end: number): Buffer | null {
  return bytes[start] === 0x7b ? bytes.subarray(start, end) : null;
}
