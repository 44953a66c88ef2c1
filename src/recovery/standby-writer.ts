/** Writes the documents of one table of a standby. Of each key at most one version is given, so their order is free. */
import { digestOf } from "../digest.js";
import { mergeLatest, type VersionCursor } from "../format/merge.js";
import { BatchWriter, type RefusedDocument } from "../restore/batch-writer.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { liveKeys } from "./differences.js";
import { joined } from "./joined.js";
import { documentsOf, type PastTable } from "./past.js";

/** So many documents are deleted with one request. */
const removalsMax = 200;

export interface Written {
  documents: number;
  removed: number;
  /** Documents that the target refuses to store. */
  refused: readonly RefusedDocument[];
  /** Those of them, and of the ones that were refused before and are as they were: see FollowedTable. */
  refusedKeys: string[];
}

/** Called between batches; may throw to end the writing. */
export type Between = (written: number) => Promise<void>;

/** A character for each byte of a key's JSON text. */
export const keyText = (key: Buffer) => key.toString("latin1");

class StandbyWriter {
  removed = 0;
  private readonly batches: BatchWriter;
  private removals: Buffer[] = [];
  private readonly stillRefused: Set<string>;

  constructor(
    private readonly target: Target,
    private readonly table: TableReference,
    refusedBefore: readonly string[],
  ) {
    this.stillRefused = new Set(refusedBefore);
    this.batches = new BatchWriter(target, table);
  }

  get documents(): number {
    return this.batches.documents;
  }

  /** Its buffers are kept until they are written. */
  add(key: Buffer, document: Buffer | null): void {
    if (this.stillRefused.size > 0) this.stillRefused.delete(keyText(key));
    if (document === null) this.removals.push(key);
    else this.batches.add(key, document);
  }

  async room(): Promise<void> {
    await this.batches.room();
    if (this.removals.length >= removalsMax) await this.remove();
  }

  async finish(): Promise<Written> {
    await this.batches.finish();
    await this.remove();
    const { documents, refused } = this.batches;
    if (documents + this.removed > 0) await this.target.sync(this.table);
    const refusedKeys = [...this.stillRefused, ...refused.map(({ key }) => keyText(key))];
    return { documents, removed: this.removed, refused, refusedKeys };
  }

  /** Resolves when no write is under way any more, also after one has failed. */
  ended(): Promise<void> {
    return this.batches.ended();
  }

  private async remove(): Promise<void> {
    for (let at = 0; at < this.removals.length; at += removalsMax) {
      const keys = this.removals.slice(at, at + removalsMax);
      await this.target.remove(this.table, keys);
      this.removed += keys.length;
    }
    this.removals = [];
  }
}

/**
 * Writes the last version of each key that the cursors have.
 * @param refusedBefore keys of documents that the target refused before
 */
export function writeLatest(
  target: Target,
  table: TableReference,
  cursors: VersionCursor[],
  refusedBefore: readonly string[],
  between: Between,
): Promise<Written> {
  return writing(target, table, refusedBefore, async (writer) => {
    for await (const winners of mergeLatest(cursors)) {
      for (const { version } of winners) writer.add(version.key, version.document);
      await writer.room();
      await between(writer.documents);
    }
  });
}

/** How many documents are compared before the writer is asked for room. */
const comparedAtOnce = 256;

/**
 * Makes a table what it was in the past: compares all keys, and writes what differs. Documents are read from the
 * repository one after the other, so memory does not grow with the table.
 */
export function writeDifferences(
  target: Target,
  table: TableReference,
  past: PastTable,
  between: Between,
  signal: AbortSignal,
): Promise<Written> {
  return writing(target, table, [], async (writer) => {
    let compared = 0;
    for await (const [then, now] of joined(documentsOf(past), liveKeys(target, table, signal))) {
      if (!then) writer.add(now!.key, null);
      else if (now?.digest !== digestOf(then.document)) writer.add(then.key, then.document);
      compared += 1;
      if (compared % comparedAtOnce !== 0) continue;
      await writer.room();
      await between(compared);
    }
  });
}

async function writing(
  target: Target,
  table: TableReference,
  refusedBefore: readonly string[],
  give: (writer: StandbyWriter) => Promise<void>,
): Promise<Written> {
  const writer = new StandbyWriter(target, table, refusedBefore);
  try {
    await give(writer);
    return await writer.finish();
  } finally {
    await writer.ended();
  }
}
