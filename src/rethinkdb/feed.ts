import type { Clock } from "../clock.js";
import { hasAt, JsonBytesError, JsonText, RowPlaces } from "../json-bytes.js";
import {
  type Connection,
  type Pace,
  type ResponseStream,
  responsesAheadMax,
} from "./connection.js";
import type { FenceChain } from "./fence.js";
import type { Response } from "./response.js";
import type { TableWrites } from "./table-writes.js";

/** One change as the feed delivered it. Slices are valid until the next batch is asked for. */
export interface FeedChange {
  /** JSON text of the primary key. */
  key: Buffer;
  /** JSON text of the document after the change; null for a delete. */
  document: Buffer | null;
  /** JSON text of the document before the change; null for an insert. */
  previous: Buffer | null;
}

/** The server's queue for this feed overflowed: changes were dropped, and the feed goes on. */
export interface FeedOverflow {
  overflow: string;
}

/** The changes of one response. */
export interface FeedBatch {
  forEach(visit: (event: FeedChange | FeedOverflow) => void): void;
}

/**
 * An open changefeed over one table. Iterating throws when the feed is lost: ReqlError (aborted, no permission) or
 * ConnectionLost. While nobody iterates, nothing is read, and the server queues changes up to its limit.
 */
export interface Feed {
  batches: AsyncIterable<FeedBatch>;
  /** How many changes were handed on and visited. */
  readonly delivered: number;
  /** True while the server has been asked for more and has not answered. */
  readonly isWaiting: boolean;
  /** When the feed was asked for, by the monotonic clock. It owes nothing that was written before. */
  readonly openedMs: number;
  /** What the servers had counted at some moment before `openedMs`; undefined if they had counted nothing. */
  readonly writesBefore: TableWrites | undefined;
  /** Resolves after a round trip on the feed's own connection. That shows that the server lives, and nothing else. */
  roundTrip(): Promise<void>;
  /**
   * Resolves when the feed's queue at the server has been empty at some moment after the call. That says nothing about
   * changes that have not reached this queue yet.
   */
  drained(clock: Clock, signal: AbortSignal): Promise<void>;
  /** See FenceChain. */
  readonly fences: Pick<FenceChain, "pass" | "note">;
  close(): Promise<void>;
  /**
   * Closes the feed's connection; all feeds on it are lost.
   * @param isServerSilent its server does not answer: no other connection to it is of use, and others are tried first
   */
  disconnect(isServerSilent: boolean): void;
  /** Its server is cut off from those that serve the table: feeds that are opened from now on come from another one. */
  leaveServer(): void;
}

/** The server puts all that is queued into a response, up to 1 MB. So a smaller response has emptied the queue. */
const queuedResponseBytes = 256 * 1024;
/** How far apart requests that find little are sent, so that they find more: a response costs as much as 10 changes. */
export const requestPauseMs = 20;
/** How long a feed must have had nothing to deliver for its queue to be taken as empty. */
const quietMs = 100 + requestPauseMs;

/** The pace of one feed's requests. After a quiet time or a large response, the next request is sent at once. */
export function feedPace(clock: Clock): Pace {
  let lastMs = Number.NEGATIVE_INFINITY;
  return ({ bytes }) => {
    const now = clock.monotonicMs();
    const waitMs = bytes.length < queuedResponseBytes ? lastMs + requestPauseMs - now : 0;
    lastMs = now + Math.max(0, waitMs);
    return waitMs > 0 ? clock.sleep(waitMs) : undefined;
  };
}

/** Told what becomes of a feed. */
export interface FeedOwner {
  onClose(): void;
  /** The feed is given up because its server does not answer. */
  onSilent(): void;
  /** The feed's server is cut off from others. */
  onCutOff(): void;
}

export class StreamFeed implements Feed {
  delivered = 0;
  /** Responses that were read to their end. */
  private deliveries = 0;
  private lastWasSmall = false;

  readonly fences: Pick<FenceChain, "pass" | "note" | "close">;
  readonly openedMs: number;
  readonly writesBefore: TableWrites | undefined;
  private first: Response | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly stream: ResponseStream,
    /** Name of the primary key's field, as JSON text. */
    private readonly keyField: Buffer,
    opened: Pick<StreamFeed, "fences"> & Pick<Feed, "openedMs" | "writesBefore">,
    private readonly source: FeedOwner,
  ) {
    this.fences = opened.fences;
    this.openedMs = opened.openedMs;
    this.writesBefore = opened.writesBefore;
  }

  /** Resolves when the feed is open: it delivers every write that is committed later. */
  async begin(): Promise<void> {
    const { done, value } = await this.stream.next();
    if (done) throw new Error("the feed ended at once");
    this.first = value;
  }

  /** Ends the feed and its query on the server. */
  async stop(): Promise<void> {
    await this.stream.return();
  }

  get isWaiting(): boolean {
    return this.stream.isWaiting;
  }

  get batches(): AsyncIterable<FeedBatch> {
    return this.read();
  }

  async roundTrip(): Promise<void> {
    await this.connection.roundTrip();
  }

  async drained(clock: Clock, signal: AbortSignal): Promise<void> {
    // A response that was asked for before the call says nothing about the queue after the call.
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
    this.fences.close();
    await this.stop();
    this.source.onClose();
  }

  leaveServer(): void {
    this.source.onCutOff();
  }

  disconnect(isServerSilent: boolean): void {
    if (isServerSilent) this.source.onSilent();
    this.connection.close();
  }

  private async *read(): AsyncGenerator<FeedBatch> {
    const onChange = () => {
      this.delivered += 1;
    };
    yield new ResponseBatch(this.first!, this.keyField, onChange);
    for await (const response of this.stream) {
      yield new ResponseBatch(response, this.keyField, onChange);
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

/** Cuts the rows in one pass, by their fixed form: {"new_val":…,"old_val":…} or {"error":"…"}. */
class ResponseBatch implements FeedBatch {
  private readonly text: JsonText;
  private readonly places = new RowPlaces(1);

  constructor(
    private readonly response: Response,
    private readonly keyField: Buffer,
    private readonly onChange: () => void,
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
    // Both documents have the same key, so it is cut out of only one of them.
    const oldEnd = places.count === 0 ? this.cut(oldStart) : text.endOfValue(oldStart);
    if (bytes[oldEnd] !== 0x7d) throw new JsonBytesError(`no end of row at byte ${oldEnd}`);
    if (places.count === 0) throw new JsonBytesError(`no document in the row at byte ${start}`);
    const change = {
      key: places.value(bytes, 0),
      document: documentAt(bytes, newStart, newEnd),
      previous: documentAt(bytes, oldStart, oldEnd),
    };
    visit(change);
    this.onChange();
    return oldEnd + 1;
  }

  /** Position after the document or null at `start`. Notes the places of a document and of its key. */
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
