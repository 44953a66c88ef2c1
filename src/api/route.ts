/** What a route of the API is: what it takes, who may use it, what it answers, and whether the audit tells of it. */
import * as v from "valibot";
import type { Clock } from "../clock.js";
import type { Waker } from "../coordination/wake.js";
import type { Facts } from "../health/facts.js";
import type { AuditWriter } from "../repository/records/audit.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { BoundedCommands } from "./bounded-commands.js";
import type { Looks } from "./looks.js";
import type { Caller, Right } from "./rights.js";

/** What every route works with. */
export interface Surroundings {
  store: ObjectStore;
  commands: BoundedCommands;
  clock: Clock;
  waker: Waker;
  audit: AuditWriter;
  /** The environment in which a command reaches the live tables; undefined if this process does not know them. */
  live: Record<string, string> | undefined;
  /** What this process knows of its own work. */
  facts: Facts;
  /** True if a caller's token counts still: a stream outlives the moment in which its token was checked. */
  counts: (caller: Caller) => Promise<boolean>;
  /** What pages are told of, for all of them together. */
  looks: Looks;
  /** What this server can do. */
  server: ServerWork;
  /** Aborts when the process is to end. */
  ending: AbortSignal;
}

/** What a server can do, for who shows it to people. */
export interface ServerWork {
  version: string;
  /** Where the repository is, without secrets: whoever takes a command from a page gives it as --repo. */
  repository: string;
  /** Names of the targets on which it carries out recoveries that are requested; null if it carries out none. */
  targets: readonly string[] | null;
}

export type Shape = v.StrictObjectSchema<v.ObjectEntries, undefined>;
type Given<S> = S extends Shape ? v.InferOutput<S> : Record<string, never>;

export interface Asked<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  header: (name: string) => string | undefined;
  caller: Caller;
  /** The caller may read documents. */
  seesContents: boolean;
  /** Aborts when the caller has gone, or the process is to end. */
  signal: AbortSignal;
}

export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  /** An object is JSON; bytes are JSON that is sent as it is; a stream is sent as server-sent events. */
  body: object | Buffer | EventStream;
}

/** Writes events until it resolves. */
export class EventStream {
  constructor(readonly run: (to: EventSink) => Promise<void>) {}
}

export interface EventSink {
  /** Sends text; rejects if the client takes none. */
  send(text: string): Promise<void>;
  /** Aborts when the client has gone, or the process is to end. */
  signal: AbortSignal;
}

/** What the audit says of a request. */
export interface Audited {
  what: string;
  over: Record<string, string>;
}

export interface Route<
  P extends Shape | undefined = Shape | undefined,
  Q extends Shape | undefined = Shape | undefined,
  B extends Shape | undefined = Shape | undefined,
> {
  method: "GET" | "POST" | "DELETE";
  /** With parameters as `{name}`. */
  path: string;
  summary: string;
  right: Right;
  params?: P;
  query?: Q;
  body?: B;
  /** Headers that it needs, by their names, with what they are for. */
  headers?: Record<string, string>;
  /** By status. */
  answers: Record<number, v.GenericSchema>;
  /** It answers a stream of events. */
  isStream?: true;
  /** It changes nothing, though its method is POST: what is asked for is in the body, and in no log of a proxy. */
  isReading?: true;
  /**
   * Set for each change, and for each reading of documents; may be undefined for one who is shown none. It is written
   * before a change begins, and in any case before the answer goes out.
   */
  audited?: (asked: Asked<Given<P>, Given<Q>, Given<B>>) => Audited | undefined;
  answer(asked: Asked<Given<P>, Given<Q>, Given<B>>, surroundings: Surroundings): Promise<Answer>;
}

/** Infers what a route is given from what it takes. */
export const route = <
  P extends Shape | undefined = undefined,
  Q extends Shape | undefined = undefined,
  B extends Shape | undefined = undefined,
>(
  one: Route<P, Q, B>,
): Route => one as unknown as Route;
