/**
 * One client's connection after the handshake: query frames in, response frames out. Queries of different tokens do not
 * wait for each other; a token's CONTINUEs are answered one after the other.
 */
import { Batch, type BatchLimits, defaultBatchLimits, defaultFirstScaledown } from "./batch.js";
import { type Datum, record } from "./datum.js";
import type { Engine } from "./engine.js";
import { queryContext } from "./evaluate.js";
import type { Feed } from "./feed.js";
import type { Proxy } from "./proxy.js";
import type { QueryContext } from "./query-context.js";
import { reachOf } from "./reach.js";
import { type JsonValue, parseJson } from "./read-json.js";
import { NotYet, ReqlError } from "./reql-error.js";
import {
  atomResponse,
  clientErrorResponse,
  errorResponse,
  sequenceResponse,
  serverInfoResponse,
  waitCompleteResponse,
} from "./response.js";
import { Sequence } from "./sequence.js";
import type { TermNode } from "./term.js";
import { groupedDatum } from "./terms-aggregate.js";
import type { TimerHandle } from "./timers.js";
import { DatabaseRef, Grouped, isFunction, TableRef, toDatum, type Value } from "./value.js";
import { decodeWtf8, encodeWtf8 } from "./wtf8.js";

const HEADER_BYTES = 12;
const MAX_QUERY_BYTES = 128 * 1024 * 1024;
/** How long a feed's copy naps when it waits for changes on their way. */
const COPY_NAP_MS = 50;

const queryType = { start: 1, continue: 2, stop: 3, noreplyWait: 4, serverInfo: 5 };

/** A query that has not ended: waiting to run again, or with a stream to give. */
interface OpenQuery {
  readonly token: bigint;
  readonly noreply: boolean;
  stream: Sequence | undefined;
  limits: BatchLimits;
  /** CONTINUEs, and at first the START, that wait for an answer. */
  owed: number;
  isFirst: boolean;
  timer: TimerHandle;
  /** Of a stream of rows: what has been read of the next response. */
  batch: Batch | undefined;
}

export class Session {
  readonly user: string;
  readonly #engine: Engine;
  readonly #send: (frame: Buffer) => void;
  readonly #close: () => void;
  readonly #proxy: Proxy | undefined;
  #received: Buffer = Buffer.alloc(0);
  #open = true;
  readonly #queries = new Map<bigint, OpenQuery>();

  /** @param close ends the connection, as the server does after a query too large */
  constructor(
    engine: Engine,
    user: string,
    send: (frame: Buffer) => void,
    close: () => void,
    proxy?: Proxy,
  ) {
    this.#engine = engine;
    this.#proxy = proxy;
    this.user = user;
    this.#send = send;
    this.#close = close;
  }

  /** Takes bytes as they come, cut anywhere. */
  receive(bytes: Uint8Array): void {
    this.#received =
      this.#received.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#received, bytes]);
    while (this.#open && this.#received.length >= HEADER_BYTES) {
      const bodyBytes = this.#received.readUInt32LE(8);
      const token = this.#received.readBigUInt64LE(0);
      if (bodyBytes >= MAX_QUERY_BYTES) {
        this.#answer(
          token,
          clientErrorResponse(
            `Query size (${bodyBytes}) greater than maximum (${MAX_QUERY_BYTES - 1}).`,
          ),
        );
        this.#close();
        return;
      }
      const end = HEADER_BYTES + bodyBytes;
      if (this.#received.length < end) return;
      const text = decodeWtf8(this.#received.subarray(HEADER_BYTES, end));
      this.#received = this.#received.subarray(end);
      this.#query(token, text);
    }
  }

  /** Ends every query without a word. */
  end(): void {
    this.#open = false;
    for (const query of this.#queries.values()) this.#release(query);
    this.#queries.clear();
  }

  #query(token: bigint, text: string): void {
    let query: JsonValue;
    try {
      query = parseJson(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#answer(token, clientErrorResponse("Client is buggy (failed to deserialize query)."));
      return;
    }
    const refusal = malformed(query);
    if (refusal !== undefined) {
      this.#answer(token, clientErrorResponse(`Server could not parse query: ${refusal}`));
      return;
    }
    this.#dispatch(token, query as JsonValue[]);
  }

  #dispatch(token: bigint, query: JsonValue[]): void {
    const [type] = query;
    if (type === queryType.start) this.#start(token, query);
    else if (type === queryType.continue) this.#continue(token);
    else if (type === queryType.stop) this.#stop(token);
    else if (type === queryType.noreplyWait) this.#answer(token, waitCompleteResponse());
    else this.#answer(token, serverInfoResponse(this.#serverInfo()));
  }

  #serverInfo(): Datum {
    if (this.#proxy) return record({ id: this.#proxy.id, proxy: true });
    const { serverId, options } = this.#engine;
    return record({ id: serverId, name: options.serverName, proxy: false });
  }

  #start(token: bigint, [, source = null, optargs = {}]: JsonValue[]): void {
    if (this.#queries.has(token)) {
      this.#answer(token, clientErrorResponse(`ERROR: duplicate token ${token}`));
      return;
    }
    this.#engine.traffic.queries.note();
    const options = isFields(optargs) ? optargs : {};
    const query: OpenQuery = {
      token,
      noreply: options["noreply"] === true,
      stream: undefined,
      limits: defaultBatchLimits,
      owed: 1,
      isFirst: true,
      timer: undefined,
      batch: undefined,
    };
    this.#queries.set(token, query);
    const sentMs = this.#engine.timers.now();
    this.#guarded(query, () => {
      const { compiler, outages } = this.#engine;
      const compiled = Object.entries(options).map(
        ([name, term]) => [name, compiler.compile(term)] as const,
      );
      const root = compiler.compile(source);
      const context = queryContext(this.#engine, this.user, new Map(compiled));
      const reach = reachOf(root);
      this.#guarded(query, () => {
        this.#proxy?.check(reach);
        outages.checkReadings(reach, sentMs);
        this.#run(query, root, context);
      });
    });
  }

  #run(query: OpenQuery, root: TermNode, context: QueryContext): void {
    let value = context.evaluate(root, undefined);
    if (value instanceof TableRef) value = value.rows(this.user);
    if (value instanceof Sequence && value.traits.isArray !== true)
      this.#beginStream(query, value, context);
    else this.#finish(query, atomResponse(this.#atom(value)));
  }

  #atom(value: Value): Datum {
    if (value instanceof Grouped) return groupedDatum(value);
    if (value instanceof DatabaseRef || isFunction(value)) {
      const name = value instanceof DatabaseRef ? "DATABASE" : "FUNCTION";
      throw new ReqlError(
        "logic",
        `Query result must be of type DATUM, GROUPED_DATA, or STREAM (got ${name}).`,
      );
    }
    return toDatum(value, this.user);
  }

  #beginStream(query: OpenQuery, stream: Sequence, context: QueryContext): void {
    query.stream = stream;
    const scaledown =
      numberOption(context, "first_batch_scaledown_factor") ?? defaultFirstScaledown;
    const rowsMax = numberOption(context, "max_batch_rows") ?? defaultBatchLimits.rowsMax;
    query.limits = {
      rowsMin: Math.min(
        numberOption(context, "min_batch_rows") ?? defaultBatchLimits.rowsMin,
        rowsMax,
      ),
      rowsMax,
      bytesMax: numberOption(context, "max_batch_bytes") ?? defaultBatchLimits.bytesMax,
      divisor: scaledown,
    };
    const { feed } = stream.traits;
    if (feed) feed.onWake = () => this.#woken(query, feed);
    this.#guarded(query, () => this.#pump(query));
  }

  #continue(token: bigint): void {
    const query = this.#queries.get(token);
    if (!query?.stream) {
      this.#answer(token, clientErrorResponse(`Token ${token} not in stream cache.`));
      return;
    }
    query.owed += 1;
    if (query.owed === 1) this.#guarded(query, () => this.#pump(query));
  }

  #stop(token: bigint): void {
    const query = this.#queries.get(token);
    if (!query) {
      this.#answer(token, clientErrorResponse(`Token ${token} not in stream cache.`));
      return;
    }
    const waiting = query.owed;
    this.#forget(query);
    if (waiting > 0) this.#answer(token, sequenceResponse([], [], true));
    this.#refuseOwed(token, waiting - 1);
    this.#answer(token, sequenceResponse([], [], true));
  }

  #pump(query: OpenQuery): void {
    const feed = query.stream?.traits.feed;
    if (feed) this.#pumpFeed(query, feed);
    else if (query.stream) this.#pumpRows(query, query.stream);
  }

  #pumpRows(query: OpenQuery, { source }: Sequence): void {
    while (query.owed > 0) {
      const batch = (query.batch ??= new Batch(query.limits));
      while (!batch.full) {
        const row = source.next();
        if (row === undefined) break;
        if (source.midLook) batch.addUncounted(row);
        else batch.add(row);
      }
      query.batch = undefined;
      const ended = batch.empty || source.exhausted() || query.noreply;
      const text = sequenceResponse(batch.texts, [], ended);
      if (ended) {
        this.#finish(query, text);
        return;
      }
      this.#answerQuery(query, text);
    }
  }

  #pumpFeed(query: OpenQuery, feed: Feed): void {
    while (query.owed > 0 && !this.#proxy?.isCut) {
      const batch = feed.take(query.limits);
      if (feed.ended) {
        this.#finish(query, sequenceResponse(batch.texts, feed.notes, true));
        return;
      }
      if (batch.empty && (!query.isFirst || feed.copying)) {
        if (feed.copying) throw new NotYet(COPY_NAP_MS);
        return;
      }
      this.#answerQuery(query, sequenceResponse(batch.texts, feed.notes, false));
    }
  }

  /** A feed that naps looks at nothing until it is over. */
  #woken(query: OpenQuery, feed: Feed): void {
    if (query.timer === undefined) this.#guarded(query, () => this.#pumpFeed(query, feed));
  }

  /** Runs a step of a query, again while it says that it is not yet time; an error ends the query and is its answer. */
  #guarded(query: OpenQuery, step: () => void): void {
    if (!this.#open || this.#queries.get(query.token) !== query) return;
    try {
      step();
    } catch (error) {
      if (error instanceof NotYet) this.#retry(query, step, error.retryMs);
      else if (!(error instanceof ReqlError)) throw error;
      // A feed that fails while nobody waits says so at the next CONTINUE.
      else if (query.owed > 0) this.#finish(query, errorResponse(error));
    }
  }

  #retry(query: OpenQuery, step: () => void, afterMs: number): void {
    query.timer = this.#engine.timers.setTimeout(() => {
      query.timer = undefined;
      this.#guarded(query, step);
    }, afterMs);
  }

  /** Goes on with the feeds of a proxy that has its servers again; `error` ends them instead. */
  reconnected(error: ReqlError | undefined): void {
    for (const query of this.#queries.values()) {
      const feed = query.stream?.traits.feed;
      if (feed && error) feed.fail(error);
      else feed?.wake();
    }
  }

  #answerQuery(query: OpenQuery, text: string): void {
    query.owed -= 1;
    query.isFirst = false;
    query.limits = { ...query.limits, divisor: 1 };
    if (!query.noreply) this.#answer(query.token, text);
  }

  #finish(query: OpenQuery, text: string): void {
    const waiting = query.owed;
    this.#forget(query);
    if (!query.noreply) this.#answer(query.token, text);
    this.#refuseOwed(query.token, waiting - 1);
  }

  #refuseOwed(token: bigint, count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.#answer(token, clientErrorResponse(`ERROR: duplicate token ${token}`));
    }
  }

  #forget(query: OpenQuery): void {
    this.#release(query);
    this.#queries.delete(query.token);
  }

  #release(query: OpenQuery): void {
    if (query.timer !== undefined) this.#engine.timers.clearTimeout(query.timer);
    query.stream?.traits.feed?.close();
  }

  #answer(token: bigint, text: string): void {
    if (!this.#open) return;
    const body = encodeWtf8(text);
    const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
    frame.writeBigUInt64LE(token, 0);
    frame.writeUInt32LE(body.length, 8);
    frame.set(body, HEADER_BYTES);
    this.#send(frame);
  }
}

function isFields(value: JsonValue): value is { [name: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(query: JsonValue): string | undefined {
  if (!Array.isArray(query)) {
    const type = isFields(query)
      ? "OBJECT"
      : query === null
        ? "NULL"
        : typeof query === "string"
          ? "STRING"
          : "NUMBER";
    return `Expected a query to be an array, but found ${type}.`;
  }
  const [type] = query;
  if (typeof type !== "number") return "Expected a query type as a NUMBER.";
  return Object.values(queryType).includes(type) ? undefined : `Unrecognized QueryType: ${type}.`;
}

function numberOption(context: QueryContext, name: string): number | undefined {
  const node = context.optargs.get(name);
  if (!node) return undefined;
  const value = toDatum(context.evaluate(node, undefined), context.user);
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new ReqlError("logic", `Expected type NUMBER for \`${name}\`.`);
}
