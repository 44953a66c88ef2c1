import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";

/**
 * Where a repository lives: named immutable objects. test/storage/conformance.ts holds every implementation to this.
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
   * if the name is taken: of any number of concurrent callers exactly one succeeds.
   */
  put(name: string, bytes: Uint8Array): Promise<void>;

  /**
   * The object's bytes, or those of `range`: `start` inclusive, `end` exclusive, clamped to the object.
   * Rejects with ObjectMissing if there is no such object.
   */
  get(name: string, range?: { start: number; end: number }): Promise<Buffer>;

  /** The object's size in bytes, or undefined if there is no such object. */
  size(name: string): Promise<number | undefined>;

  /** The objects whose names begin with `prefix`, in the order of their names' bytes. */
  list(prefix: string): AsyncIterable<StoredObject>;

  /**
   * The first of some names that no object has. Absent where each name costs a request: there a listing tells sooner, which
   * in a directory would walk through all that was ever put beside them.
   */
  firstMissing?(names: readonly string[]): Promise<string | undefined>;

  /** Removes an object. Removing what is not there is not an error. */
  delete(name: string): Promise<void>;

  /**
   * Removes what the store itself has left behind, such as empty directories, and what puts have that were cut short and
   * last wrote before `writtenBefore`. A put at the same time MUST survive. Absent where nothing is left behind.
   */
  tidy?(writtenBefore: Instant): Promise<void>;

  /** Keeps some room aside, as far as there is any, for `putUrgently`. Absent where room cannot be kept. */
  keepRoom?(): Promise<void>;

  /** As `put`; if the store is full, with room that was kept aside: for what makes room again. */
  putUrgently?(name: string, bytes: Uint8Array): Promise<void>;
}

export interface StoredObject {
  name: string;
  /** Bytes. */
  size: number;
}

export class ObjectExists extends Error {
  constructor(readonly objectName: string) {
    super(`object ${objectName} exists already`);
  }
}

export class ObjectMissing extends Error {
  constructor(readonly objectName: string) {
    super(`object ${objectName} does not exist`);
  }
}

/** The store has no room left. Retrying does not help until somebody makes some. */
export class StoreFull extends ThinkbackError {
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

/** The store may not be read or written so: a disk that is read-only, or another user's. Somebody has to change that. */
export class StoreForbidden extends ThinkbackError {
  constructor(what: string, cause: unknown) {
    super("repository", `no permission for ${what}`, {
      hint: "run as a user that owns the directory, change its permissions, or mount its disk so that it can be written",
      cause,
    });
  }
}

/** The object's bytes; undefined if there is none. */
export async function getIfThere(
  store: Pick<ObjectStore, "get">,
  name: string,
): Promise<Buffer | undefined> {
  try {
    return await store.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing) return undefined;
    throw error;
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
