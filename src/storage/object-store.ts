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

  /** Removes an object. Removing what is not there is not an error. */
  delete(name: string): Promise<void>;

  /**
   * Removes what the store itself has left behind, such as empty directories, and what puts have that were cut short and
   * last wrote before `writtenBefore`. A put at the same time MUST survive. Absent where nothing is left behind.
   */
  tidy?(writtenBefore: Instant): Promise<void>;
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
export class StoreFull extends Error {
  constructor(
    readonly objectName: string,
    cause: unknown,
  ) {
    super(`no space left to write object ${objectName}`, { cause });
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
