import { isDamage, ThinkbackError, UnusableObject } from "../errors.js";
import type { Instant } from "../instant.js";
import type { Requests } from "./store-use.js";

/**
 * Where a repository lives: named immutable objects. test/storage/conformance.ts tests every implementation of this.
 *
 * Every failure of a store MUST be a StoreError, which states its kind. A call whose signal aborts rejects as soon as
 * it can, with the signal's reason; its change may still be made. But from then on the caller may overwrite the buffer
 * that a put was given, and the overwritten bytes MUST NOT become an object.
 *
 * Names are relative paths of [A-Za-z0-9._-] segments joined by "/". Implementations MUST be safe for concurrent use
 * by several processes.
 */
export interface ObjectStore {
  /** Where this store is, for messages. Never holds a secret. */
  readonly location: string;

  /** Set if objects are stored in another form than they are put and read here: encrypted and signed. */
  readonly sealing?: Sealing | undefined;
  /** True if the place may let puts overwrite, whatever `put` promises. It is probed before it becomes a repository. */
  readonly mayOverwrite?: boolean;

  /**
   * True if each request is charged for, as in a bucket. Whoever has nothing to store then asks and stores less often.
   * A store over another one MUST give this on.
   */
  readonly chargesRequests?: true;

  /**
   * Set by whoever counts requests: told of those that a call costs beyond the one that it is taken for. A store that
   * has this tells all of them, and also the pages of a listing after the first.
   */
  onMoreRequests?: ((more: Partial<Requests>) => void) | undefined;

  /**
   * Stores `bytes` under `name`, whole and durable when the promise resolves. MUST be atomic (no reader ever sees a
   * part of it) and MUST reject with ObjectExists, changing nothing, if the name is taken: of any number of concurrent
   * callers exactly one succeeds. What is there MUST be durable by then: if a reply was lost and the name holds the
   * same bytes, the put counts as done; so bytes by which one of several processes wins MUST name that process.
   */
  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;

  /**
   * The object's bytes, or those of `range`: `start` inclusive, `end` exclusive, clamped to the object.
   * Rejects with ObjectMissing if there is no such object.
   */
  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer>;

  /**
   * The last `bytes` bytes of an object, or all of them if it is shorter, and its size, in one request. A sealed store
   * may give fewer: only the index of a data object. Rejects with ObjectMissing if there is no such object.
   */
  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail>;

  /** How many bytes are stored of the object, or undefined if there is no such object. */
  size(name: string, signal?: AbortSignal): Promise<number | undefined>;

  /**
   * The objects whose names begin with `prefix`, in the order of their names' bytes; only those after `after`, if
   * given.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;

  /**
   * The first of some names that no object has. Absent if each name would cost a request: then a listing is faster. In
   * a directory it is not, because it reads the names of everything beside these objects.
   */
  firstMissing?(names: readonly string[], signal?: AbortSignal): Promise<string | undefined>;

  /**
   * What was read of an object is damaged: looks for a sound copy of it. Resolves with true if the object is worth
   * reading once more. Absent if there is one copy only.
   */
  readElsewhere?(name: string, signal?: AbortSignal): Promise<boolean>;

  /** Removes an object. Removing what is not there is not an error. */
  delete(name: string, signal?: AbortSignal): Promise<void>;

  /**
   * Removes many objects, as `delete` does, with fewer requests. If it rejects, any of them may be gone. Absent if
   * deleting one after another is as good.
   */
  deleteMany?(names: readonly string[], signal?: AbortSignal): Promise<void>;

  /**
   * Removes what the store itself has left behind: empty directories, and files of interrupted puts that were last
   * written before `writtenBefore`. A put at the same time MUST survive. Absent if nothing is ever left behind.
   */
  tidy?(writtenBefore: Instant, signal?: AbortSignal): Promise<void>;

  /** Keeps some room aside for `putUrgently`, as far as there is any. Absent if room cannot be kept. */
  keepRoom?(signal?: AbortSignal): Promise<void>;

  /** For how long a new object is locked, in ms; absent if objects are not locked here. */
  readonly lockMs?: number | undefined;

  /**
   * Locks an object against deleting and replacing, until an instant at least. Never shortens a lock. Rejects with
   * ObjectMissing if there is no such object. Absent if objects are not locked here.
   */
  extendLock?(name: string, until: Instant, signal?: AbortSignal): Promise<void>;

  /** Like `put`, but a full store gives up the room kept aside. Only for objects with whose help room is made. */
  putUrgently?(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;

  /**
   * Stores `bytes` under `name` in the place of whatever is there, without a condition. Only for probe.ts, and for
   * SingleWriterStore: everything else relies on it that objects never change. Absent if the store cannot do it.
   */
  replace?(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;

  /**
   * When the object was stored, by the store's own clock; undefined if there is no such object. May be as coarse as a
   * second. Absent if the store does not tell.
   */
  storedAt?(name: string, signal?: AbortSignal): Promise<Instant | undefined>;
}

/** Bytes of an object: `start` inclusive, `end` exclusive. */
export interface Range {
  start: number;
  end: number;
}

/** The end of an object. */
export interface Tail {
  bytes: Buffer;
  /** Bytes of the whole object. */
  size: number;
  /** How many bytes are stored of it, unless as many: a sealed object is larger. */
  storedSize?: number;
}

export interface ListOptions {
  /** List only names after this one, which need not be the name of an object. */
  after?: string;
  signal?: AbortSignal;
}

export interface StoredObject {
  name: string;
  /** Bytes that are stored. */
  size: number;
}

/** The bytes of an object, as a bundle repeats them. */
export interface Repeated {
  bytes: Buffer;
  /** How many bytes are stored of the object itself: as many, unless it is sealed. */
  storedBytes: number;
}

/** How a store seals its objects. */
export interface Sealing {
  /** True if this process can read documents; false if only what it needs to go on with a log. */
  readonly readsDocuments: boolean;
  /** The bytes to store for an object. They differ each time; and after a change of keys, so does their number. */
  seal(name: string, bytes: Buffer): Buffer;
  /**
   * Throws, naming it, unless stored bytes are the whole of an object of that name, signed by a key that counts and may
   * write it. No secret key is needed for that.
   */
  check(name: string, stored: Buffer): void;
  /**
   * Takes newer key sets, which it looks for at once.
   * @param doing what for
   * @throws StoreForbidden if no key at hand is one of the repository's any more
   */
  renewKeys(doing: string): Promise<void>;
  /** The store that takes and gives the bytes as they are stored. */
  readonly below: ObjectStore;
  /**
   * Reads objects of this repository from another place, where they lie as they are stored.
   * @param placeName gives the name that an object of `elsewhere` was sealed for, if it is another one
   */
  reading(elsewhere: ObjectStore, placeName?: (name: string) => string): ObjectStore;
}

/** How a store can fail. Callers decide by this what to do, and not by the kind of store. */
export type StoreFailure =
  /** There is no such object. */
  | "missing"
  /** The name is taken. */
  | "exists"
  /** There is no room. Somebody has to make room. */
  | "full"
  /** The process has no permission to read or write it. Somebody has to change that. */
  | "forbidden"
  /** It does not answer, or not properly. Trying again helps. A put or delete may have been done nevertheless. */
  | "unavailable"
  /** It cannot do this, however often it is asked. */
  | "unsupported";

/** A failure of a store. Any other error that a store throws is a defect, such as an invalid name. */
export abstract class StoreError extends ThinkbackError {
  abstract readonly failure: StoreFailure;
}

export class ObjectMissing extends StoreError {
  readonly failure = "missing";

  constructor(readonly objectName: string) {
    super("damaged", `object ${objectName} does not exist`, {
      hint: "put this object back from a copy of the repository",
    });
  }
}

export class ObjectExists extends StoreError {
  readonly failure = "exists";

  constructor(readonly objectName: string) {
    super("fenced", `object ${objectName} exists already, and another process wrote it`, {
      hint: "two processes write to this repository; stop one of them",
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
      hint: "make room there; in a repository, `thinkback expire` deletes what the tiers do not keep",
      cause,
    });
  }
}

/** A disk that is read-only, or another user's; a bucket that these credentials may not use. */
export class StoreForbidden extends StoreError {
  readonly failure = "forbidden";

  constructor(
    what: string,
    cause: unknown,
    hint = "run as a user that owns the directory, change its permissions, or mount its disk writable",
  ) {
    super("repository", `no permission for ${what}`, { hint, cause });
  }
}

/** A disk or a network that is away, or overloaded. */
export class StoreUnavailable extends StoreError {
  readonly failure = "unavailable";

  constructor(
    message: string,
    cause?: unknown,
    hint = "check --repo, TMPDIR and any other directory given: a disk must work, and this user must be allowed to write there; a bucket must be reachable from here",
  ) {
    super("repository", message, {
      hint,
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

/** True for a failure that the operator has to end: a full store, or a missing permission. */
export function needsOperator(error: unknown): boolean {
  const failure = failureOf(error);
  return failure === "full" || failure === "forbidden";
}

/** True if the error concerns one object only, which is damaged, of a later version, or forbidden to read. */
export function isOfOneObject(error: unknown): error is ThinkbackError {
  return error instanceof UnusableObject || isDamage(error) || failureOf(error) === "forbidden";
}

/** Throws, with code "usage", if the documents of a sealed repository cannot be read with the keys at hand. */
export function refuseWithoutReader({ sealing }: ObjectStore): void {
  if (sealing?.readsDocuments ?? true) return;
  throw new ThinkbackError("usage", "the keys at hand read no document of this repository", {
    hint: "give the key of a reader: --identity FILE; `thinkback key list` names the readers",
  });
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

/**
 * The bytes of an object as they are stored, and the store that takes them so. Whoever names their number MUST put
 * these: sealed once more, there may be more or fewer.
 */
export function storedForm(
  store: ObjectStore,
  name: string,
  bytes: Buffer,
): { store: ObjectStore; bytes: Buffer } {
  const { sealing } = store;
  return sealing ? { store: sealing.below, bytes: sealing.seal(name, bytes) } : { store, bytes };
}

/** At most so many objects are removed with one request. */
const deletedAtOnce = 200;

/**
 * Removes objects in the order given, except within a group that is removed with one request.
 * @param check called before each request; what it throws ends the removal
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

/** Puts an object that an earlier put may have stored already. The same bytes under its name count as success. */
export async function putOnce(store: ObjectStore, name: string, bytes: Buffer): Promise<void> {
  try {
    await store.put(name, bytes);
  } catch (error) {
    if (failureOf(error) !== "exists") throw error;
    const there = await getIfThere(store, name);
    if (!there)
      throw new StoreUnavailable(
        `object ${name} is there at one moment and gone at the next`,
        error,
      );
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
