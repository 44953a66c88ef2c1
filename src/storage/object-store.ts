import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";

/**
 * Where a repository lives: named immutable objects. test/storage/conformance.ts holds every implementation to this.
 *
 * Every failure of a store MUST be a StoreError, and thus of a stated kind. A call whose signal aborts rejects as soon as
 * it can, with the signal's reason; what it was to change may come about nevertheless. But the buffer that a put was given
 * may be overwritten from then on, and what it then holds MUST NOT become an object.
 *
 * Names are relative paths of [A-Za-z0-9._-] segments joined by "/". Implementations MUST be safe for concurrent use
 * by several processes.
 */
export interface ObjectStore {
  /** Where this store is, for messages. Never holds a secret. */
  readonly location: string;

  /**
   * Stores `bytes` under `name`, whole and durable when the promise resolves.
   * MUST be atomic (no reader ever sees a part of it) and MUST reject with ObjectExists, changing nothing,
   * if the name is taken: of any number of concurrent callers exactly one succeeds. Where a reply was lost, the same bytes
   * count as those of the caller; so what one of several is to win says who it is.
   */
  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;

  /**
   * The object's bytes, or those of `range`: `start` inclusive, `end` exclusive, clamped to the object.
   * Rejects with ObjectMissing if there is no such object.
   */
  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer>;

  /**
   * The last `bytes` bytes of an object, or all of them if it has no more, and how many it has: in one request. Rejects with
   * ObjectMissing if there is no such object.
   */
  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail>;

  /** The object's size in bytes, or undefined if there is no such object. */
  size(name: string, signal?: AbortSignal): Promise<number | undefined>;

  /** The objects whose names begin with `prefix`, in the order of their names' bytes; those behind `after`, if it is given. */
  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;

  /**
   * The first of some names that no object has. Absent where each name costs a request: there a listing tells sooner, which
   * in a directory would scan through all that was ever put beside them.
   */
  firstMissing?(names: readonly string[], signal?: AbortSignal): Promise<string | undefined>;

  /** Removes an object. Removing what is not there is not an error. */
  delete(name: string, signal?: AbortSignal): Promise<void>;

  /**
   * Removes objects as `delete` does, of which each would cost a request: many with one. If it rejects, any of them may be
   * gone. Absent where one after another is as good.
   */
  deleteMany?(names: readonly string[], signal?: AbortSignal): Promise<void>;

  /**
   * Removes what the store itself has left behind, such as empty directories, and what puts have that were cut short and
   * last wrote before `writtenBefore`. A put at the same time MUST survive. Absent where nothing is left behind.
   */
  tidy?(writtenBefore: Instant, signal?: AbortSignal): Promise<void>;

  /** Keeps some room aside, as far as there is any, for `putUrgently`. Absent where room cannot be kept. */
  keepRoom?(signal?: AbortSignal): Promise<void>;

  /** As `put`; if the store is full, with room that was kept aside: for what makes room again. */
  putUrgently?(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** Bytes of an object: `start` inclusive, `end` exclusive. */
export interface Range {
  start: number;
  end: number;
}

/** The end of an object. */
export interface Tail {
  bytes: Buffer;
  /** Of the object, in bytes. */
  size: number;
}

export interface ListOptions {
  /** A name; it need not be that of an object. */
  after?: string;
  signal?: AbortSignal;
}

export interface StoredObject {
  name: string;
  /** Bytes. */
  size: number;
}

/** How a store can fail. What to do about it goes by this, and not by what kind of store it is. */
export type StoreFailure =
  /** There is no such object. */
  | "missing"
  /** The name is taken. */
  | "exists"
  /** There is no room. Somebody has to make some. */
  | "full"
  /** It may not be read or written so. Somebody has to change that. */
  | "forbidden"
  /** It does not answer, or not as it should. Trying again helps. A put or a delete may have been done. */
  | "unavailable"
  /** It cannot do this, however often it is asked. */
  | "unsupported";

/** A failure of a store. Whatever else one throws is a defect, such as a name that is none. */
export abstract class StoreError extends ThinkbackError {
  abstract readonly failure: StoreFailure;
}

export class ObjectMissing extends StoreError {
  readonly failure = "missing";

  constructor(readonly objectName: string) {
    super("damaged", `object ${objectName} does not exist`, {
      hint: "restore this object from a copy of the repository",
    });
  }
}

export class ObjectExists extends StoreError {
  readonly failure = "exists";

  constructor(readonly objectName: string) {
    super("fenced", `object ${objectName} exists already, and is not ours`, {
      hint: "another process writes to this repository; stop one of them",
    });
  }
}

export class StoreFull extends StoreError {
  readonly failure = "full";

  /** @param location where there is no room */
  constructor(
    readonly objectName: string,
    cause: unknown,
    location = "the store",
  ) {
    super("full", `no space left in ${location} to write object ${objectName}`, {
      hint: "make room there; in a repository `thinkback expire` deletes what the tiers do not keep",
      cause,
    });
  }
}

/** A disk that is read-only, or another user's. */
export class StoreForbidden extends StoreError {
  readonly failure = "forbidden";

  constructor(what: string, cause: unknown) {
    super("repository", `no permission for ${what}`, {
      hint: "run as a user that owns the directory, change its permissions, or mount its disk so that it can be written",
      cause,
    });
  }
}

/** A disk or a network that is away, or overloaded. */
export class StoreUnavailable extends StoreError {
  readonly failure = "unavailable";

  constructor(message: string, cause?: unknown) {
    super("repository", message, {
      hint: "check --repo, the other directories that are given and TMPDIR: that their disks work and this user may write there",
      cause,
    });
  }
}

/** A place that cannot hold a repository as it is. */
export class StoreUnsupported extends StoreError {
  readonly failure = "unsupported";

  constructor(message: string, hint: string, cause?: unknown) {
    super("repository", message, { hint, cause });
  }
}

/** How a store failed; undefined for an error of anything else. */
export function failureOf(error: unknown): StoreFailure | undefined {
  return error instanceof StoreError ? error.failure : undefined;
}

/** True for a store that somebody has to make room in, or to make readable or writable again. */
export function isForOthersToRepair(error: unknown): boolean {
  const failure = failureOf(error);
  return failure === "full" || failure === "forbidden";
}

/** The object's bytes; undefined if there is none. */
export async function getIfThere(
  store: Pick<ObjectStore, "get">,
  name: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  try {
    return await store.get(name, undefined, signal);
  } catch (error) {
    if (failureOf(error) === "missing") return undefined;
    throw error;
  }
}

/** How many objects are removed together. */
const deletedAtOnce = 200;

/**
 * Removes objects, in their order but for those that go together.
 * @param check asked before anything is removed, each time anew
 */
export async function deleteAll(
  store: ObjectStore,
  names: readonly string[],
  check: () => void = () => undefined,
): Promise<void> {
  const atOnce = store.deleteMany ? deletedAtOnce : 1;
  for (let i = 0; i < names.length; i += atOnce) {
    check();
    const some = names.slice(i, i + atOnce);
    await (store.deleteMany?.(some) ?? store.delete(some[0]!));
  }
}

/** Puts an object that may be there already, because it was put before and that is not known any more. */
export async function putOnce(store: ObjectStore, name: string, bytes: Buffer): Promise<void> {
  try {
    await store.put(name, bytes);
  } catch (error) {
    if (failureOf(error) !== "exists") throw error;
    const there = await getIfThere(store, name);
    if (!there) throw new StoreUnavailable(`object ${name} comes and goes`, error);
    if (!there.equals(bytes)) throw error;
  }
}

const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

export function isName(name: unknown): name is string {
  return typeof name === "string" && namePattern.test(name);
}

/** Throws unless `name` is a valid object name. */
export function checkName(name: string): void {
  if (!isName(name)) throw new Error(`not a valid object name: ${JSON.stringify(name)}`);
}
