/**
 * Queries and answers over one channel, as raw frames: u64 token, u32 length, JSON (little-endian).
 * Several queries may be under way at once, each with its own token.
 */
import { jsonOfText } from "../server-text.js";
import type { Channel } from "./channel.js";
import { FrameReader } from "./frame-reader.js";
import { ConnectionLost, Response } from "./response.js";

/** Anything that can be sent as a query: the terms of the official driver. */
export interface Term {
  build(): unknown;
}

/** Global options of a query, in the protocol's own spelling (snake case). */
export type QueryOptions = Record<string, unknown>;

const queryTypes = { start: 1, continue: 2, stop: 3, serverInfo: 5 } as const;

/** At most so many responses wait for the consumer, because each holds memory; one already hides the round trip. */
export const responsesAheadMax = 2;

/** What the request for more waits for after a response; undefined to send it at once. */
export type Pace = (after: Response) => Promise<void> | undefined;

interface Waiter {
  onResponse(response: Response): void;
  onLost(error: ConnectionLost): void;
}

export class Connection {
  private readonly reader = new FrameReader((token, body) => this.deliver(token, body));
  private nextToken = 1;
  private readonly waiters = new Map<number, Waiter>();
  private lostError: ConnectionLost | undefined;
  private sharedTrip: Promise<void> | undefined;
  /** Resolves when the connection is gone, with the reason. */
  readonly lost: Promise<ConnectionLost>;

  constructor(private readonly channel: Channel) {
    this.lost = new Promise((resolve) => {
      channel.onClose((error) => {
        this.lostError = new ConnectionLost(error);
        for (const waiter of this.waiters.values()) waiter.onLost(this.lostError);
        this.waiters.clear();
        resolve(this.lostError);
      });
    });
    channel.onData((bytes) => {
      try {
        this.reader.push(bytes);
      } catch {
        // The server has left the protocol, so nothing that follows can be understood.
        channel.destroy();
      }
    });
  }

  get isOpen(): boolean {
    return this.lostError === undefined;
  }

  /** Runs a query and returns all its rows, parsed. For small answers. Throws ReqlError or ConnectionLost. */
  async rows(term: Term, options: QueryOptions = {}): Promise<unknown[]> {
    const rows: unknown[] = [];
    for await (const response of this.stream(term, options)) {
      for (const row of response.rows()) rows.push(row);
    }
    return rows;
  }

  /** Runs a query that answers with one value, parsed; an array answer is one value. */
  async value<T>(term: Term, options: QueryOptions = {}): Promise<T> {
    return (await this.rows(term, options))[0] as T;
  }

  /** Runs a query given as the JSON text of its term; for queries that are put together of bytes. */
  async answer(term: Buffer, options: QueryOptions = {}): Promise<Response> {
    const [before, after] = [`[${queryTypes.start},`, `,${JSON.stringify(options)}]`];
    const response = await this.ask(Buffer.concat([Buffer.from(before), term, Buffer.from(after)]));
    const error = response.error();
    if (error) throw error;
    return response;
  }

  /** Asks the server for its identity. A proxy answers with its own. */
  async serverInfo(): Promise<{ id: string; name: string; proxy: boolean }> {
    const response = await this.ask(Buffer.from(`[${queryTypes.serverInfo}]`));
    return response.rows()[0] as { id: string; name: string; proxy: boolean };
  }

  /** Makes a round trip on this connection, beginning after the call. Calls of the same moment share one. */
  roundTrip(): Promise<void> {
    if (!this.sharedTrip) {
      this.sharedTrip = this.serverInfo().then(() => undefined);
      queueMicrotask(() => {
        this.sharedTrip = undefined;
      });
    }
    return this.sharedTrip;
  }

  /** Runs a query and yields its responses as they come, fetching a little ahead at the given pace. */
  stream(term: Term, options: QueryOptions = {}, pace?: Pace): ResponseStream {
    const token = this.takeToken();
    // The server refuses some surrogates as escapes, but takes all of them as bytes.
    const query = jsonOfText(JSON.stringify([queryTypes.start, term.build(), options]));
    const stream = new ResponseStream(
      () => this.send(token, Buffer.from(`[${queryTypes.continue}]`)),
      () => this.abandon(token),
      pace,
    );
    this.waiters.set(token, stream);
    this.send(token, query);
    return stream;
  }

  /** Takes back the bytes of a response that is not needed any more: a later response will overwrite them. */
  recycle(response: Response): void {
    this.reader.recycle(response.bytes);
  }

  close(): void {
    this.channel.destroy();
  }

  /** The address of the server; undefined where there is no other to connect to. */
  get where(): string | undefined {
    return this.channel.where;
  }

  /** Notes that the server is in trouble: the next connection is made to another one first, if there is one. */
  blame(): void {
    this.channel.blame?.();
  }

  /** Notes that the server is to be used from now on. */
  prefer(): void {
    this.channel.prefer?.();
  }

  /** Closes the connection because its server does not answer. */
  giveUp(): void {
    this.blame();
    this.close();
  }

  private ask(query: Buffer): Promise<Response> {
    const token = this.takeToken();
    return new Promise((resolve, reject) => {
      this.waiters.set(token, {
        onResponse: resolve,
        onLost: reject,
      });
      this.send(token, query);
    });
  }

  /** Stops a query that is not needed any more; responses that still come for it are dropped. */
  private abandon(token: number): void {
    this.waiters.delete(token);
    if (this.isOpen) this.send(token, Buffer.from(`[${queryTypes.stop}]`));
  }

  private takeToken(): number {
    if (this.lostError) throw this.lostError;
    const token = this.nextToken;
    this.nextToken += 1;
    return token;
  }

  private send(token: number, query: Buffer): void {
    if (this.lostError) return;
    const frame = Buffer.allocUnsafe(12 + query.length);
    frame.writeBigUInt64LE(BigInt(token), 0);
    frame.writeUInt32LE(query.length, 8);
    frame.set(query, 12);
    this.channel.write(frame);
  }

  private deliver(token: number, body: Buffer): void {
    const response = new Response(body);
    const waiter = this.waiters.get(token);
    if (!response.isPartial) this.waiters.delete(token);
    waiter?.onResponse(response);
  }
}

/**
 * The responses of one query, in order. Can be iterated only once. Throws ReqlError if the server reports an error, and
 * ConnectionLost if the connection is lost.
 */
export class ResponseStream implements Waiter, AsyncIterableIterator<Response> {
  private readonly arrived: Response[] = [];
  private failure: Error | undefined;
  private ended = false;
  /** True while a request is on its way whose answer has not come. */
  private asked = true;
  /** True during the pause before a request. */
  private pausing = false;
  private wake: (() => void) | undefined;

  constructor(
    private readonly askMore: () => void,
    private readonly abandon: () => void,
    private readonly pace: Pace = () => undefined,
  ) {}

  onResponse(response: Response): void {
    this.asked = false;
    const error = response.error();
    if (error) {
      this.failure = error;
      this.ended = true;
    } else {
      this.arrived.push(response);
      this.ended = !response.isPartial;
      this.askAhead(response);
    }
    this.wake?.();
  }

  onLost(error: ConnectionLost): void {
    this.failure = error;
    this.ended = true;
    this.wake?.();
  }

  async next(): Promise<IteratorResult<Response>> {
    while (this.arrived.length === 0 && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const response = this.arrived.shift();
    if (response) {
      this.askAhead(response);
      return { done: false, value: response };
    }
    if (this.failure) throw this.failure;
    return { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<Response>> {
    if (!this.ended) this.abandon();
    this.ended = true;
    this.arrived.length = 0;
    this.wake?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** True while a request is on its way and every response that came has been handed on. */
  get isWaiting(): boolean {
    return this.asked && !this.ended && this.arrived.length === 0;
  }

  private askAhead(after: Response): void {
    if (this.asked || this.pausing || this.arrived.length >= responsesAheadMax) return;
    const pause = this.pace(after);
    this.pausing = pause !== undefined;
    if (pause) void pause.then(() => this.ask());
    else this.ask();
  }

  private ask(): void {
    this.pausing = false;
    if (this.ended) return;
    this.asked = true;
    this.askMore();
  }
}
