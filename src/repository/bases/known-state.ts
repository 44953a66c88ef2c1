/** The last known state of a table, as keys and digests in key order. A resync compares the live table with it. */
import { digestOf } from "../../digest.js";
import { DataObject } from "../../format/data-object.js";
import { lineSpans, parseKeyLine } from "../../format/lines.js";
import { codeOfKey, isLater, mergeLatest } from "../../format/merge.js";
import type { OrderCode } from "../../key-order.js";
import { partsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { digestIn, type LogCollection } from "../log/runs.js";
import type { BaseManifest } from "./base.js";

/** The key and digest of a document that exists. */
export interface KnownKey {
  code: OrderCode;
  /** JSON text of the key. */
  key: Buffer;
  digest: string;
}

interface KeyState {
  code: OrderCode;
  key: Buffer;
  time: number;
  sequence: number;
  /** Null if the key's last version is a delete. */
  digest: string | null;
}

/** Merges the keys of `base` with the versions that `log` collected since. Yields only keys whose document exists. */
export async function* knownKeys(
  store: ObjectStore,
  base: BaseManifest,
  log: LogCollection,
): AsyncGenerator<KnownKey> {
  const stored = new Peeked(baseKeys(store, base));
  const logged = new Peeked(logKeys(log, base.table));
  let [a, b] = [await stored.next(), await logged.next()];
  while (a || b) {
    let state: KeyState;
    if (a && (!b || a.code < b.code)) {
      state = a;
      a = await stored.next();
    } else if (b && (!a || b.code < a.code)) {
      state = b;
      b = await logged.next();
    } else {
      state = isLater(b!, a!) ? b! : a!;
      [a, b] = [await stored.next(), await logged.next()];
    }
    const { code, key, digest } = state;
    if (digest !== null) yield { code, key, digest };
  }
}

async function* baseKeys(store: ObjectStore, base: BaseManifest): AsyncGenerator<KeyState[]> {
  const opening = severalAtOnce(base.parts, partsAtOnce, ({ keys: { name, checksum } }) =>
    DataObject.open(store, name, "baseKeys", checksum),
  );
  for await (const object of opening) {
    for await (const lines of object.readFrames(object.index.frames)) {
      yield keyLines(lines, object.name);
    }
  }
}

function keyLines(lines: Buffer, object: string): KeyState[] {
  return Array.from(lineSpans(lines, object), ({ start, end }) => {
    const line = parseKeyLine(lines, start, end, object);
    return { ...line, code: codeOfKey(line.key, object) };
  });
}

async function* logKeys(log: LogCollection, table: string): AsyncGenerator<KeyState[]> {
  const digest = log.keysOnly ? digestIn : digestOf;
  for await (const winners of mergeLatest(log.cursors(table))) {
    yield winners.map(({ code, version: { key, time, sequence, document } }) => {
      return { code, key, time, sequence, digest: document && digest(document) };
    });
  }
}

/** Gives the items of batches one at a time; a promise only if it must fetch a batch. */
class Peeked<T> {
  private batch: T[] = [];
  private at = 0;

  constructor(private readonly batches: AsyncIterator<T[]>) {}

  next(): T | undefined | Promise<T | undefined> {
    if (this.at < this.batch.length) return this.batch[this.at++];
    return this.fetch();
  }

  private async fetch(): Promise<T | undefined> {
    const next = await this.batches.next();
    if (next.done) return undefined;
    this.batch = next.value;
    this.at = 0;
    return this.next();
  }
}
