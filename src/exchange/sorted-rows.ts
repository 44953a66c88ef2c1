/**
 * Sorts the documents of a table by key in bounded memory. The official dump writes them in key order. So documents
 * that rise are taken as they come, into one long run. Others are collected in memory, sorted, and written as runs too;
 * when there are many runs, these are merged to one.
 */
import { mergeLatest, type VersionCursor } from "../format/merge.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { RunWriter, runCursor } from "../repository/log/runs.js";
import { textOfJson } from "../server-text.js";
import type { ObjectStore } from "../storage/object-store.js";
import { NotADocument } from "./pseudo-types.js";
import type { Row } from "./server-json.js";

export interface SortLimits {
  /** How many bytes of documents that do not rise may be in memory. */
  memoryBytesMax: number;
  /** From so many runs on they are merged to one: each run that is read takes some MiB of memory. */
  runsMax: number;
}

const defaults: SortLimits = { memoryBytesMax: 64 * 1024 * 1024, runsMax: 128 };
/** How much memory a document takes besides its bytes. */
const rowBytes = 500;

/** One version of each row, at one time: only their order matters. */
const versionOf = ({ key, document }: Row) => {
  return { key, document, time: 0, sequence: 1, table: undefined, previous: undefined };
};

export class SortedRows {
  private readonly rising: RunWriter;
  private lastRisen: OrderCode | undefined;
  private open: [OrderCode, Row][] = [];
  private openBytes = 0;
  private runs: string[][] = [];
  private runsMade = 0;
  count = 0;

  /** @param store where runs are kept for a while @param name of the table there */
  constructor(
    private readonly store: ObjectStore,
    private readonly name: string,
    private readonly limits: SortLimits = defaults,
  ) {
    this.rising = this.newRun();
  }

  async add(row: Row): Promise<void> {
    this.count += 1;
    const code = orderCode(row.key);
    if (this.lastRisen === undefined || code > this.lastRisen) {
      this.lastRisen = code;
      this.rising.add(versionOf(row));
      await this.rising.room();
      return;
    }
    this.open.push([code, row]);
    this.openBytes += row.key.length + row.document.length + rowBytes;
    if (this.openBytes > this.limits.memoryBytesMax) await this.spill();
  }

  /**
   * No row may be added after it.
   * @throws {NotADocument} if two have the same key
   */
  async finish(): Promise<void> {
    if (this.open.length > 0) await this.spill();
    this.runs.push(await this.rising.finish());
    if (this.runs.length > 1) await this.mergeRuns();
  }

  /** The rows in key order. They are valid until the next one is taken. */
  async *rows(): AsyncGenerator<Row> {
    for await (const batch of mergedOnce(this.cursors())) yield* batch;
  }

  private cursors(): VersionCursor[] {
    return this.runs.map((names) => runCursor(this.store, names));
  }

  private newRun(): RunWriter {
    this.runsMade += 1;
    return new RunWriter(this.store, `runs/${this.name}/${this.runsMade}`);
  }

  private async spill(): Promise<void> {
    this.open.sort(([a], [b]) => (a < b ? -1 : 1));
    const run = this.newRun();
    for (const [i, [code, row]] of this.open.entries()) {
      if (this.open[i - 1]?.[0] === code) throw twice(row.key);
      run.add(versionOf(row));
      await run.room();
    }
    this.runs.push(await run.finish());
    this.open = [];
    this.openBytes = 0;
    if (this.runs.length >= this.limits.runsMax) await this.mergeRuns();
  }

  private async mergeRuns(): Promise<void> {
    const merged = this.newRun();
    for await (const batch of mergedOnce(this.cursors())) {
      for (const row of batch) merged.add(versionOf(row));
      await merged.room();
    }
    const done = this.runs.flat();
    this.runs = [await merged.finish()];
    for (const name of done) await this.store.delete(name);
  }
}

async function* mergedOnce(cursors: VersionCursor[]): AsyncGenerator<Row[]> {
  const merged = mergeLatest(cursors, (before, { key }) => {
    if (before) throw twice(key);
  });
  for await (const winners of merged) {
    yield winners.map(({ version: { key, document } }) => ({ key, document: document! }));
  }
}

const twice = (key: Buffer) =>
  new NotADocument(`two documents have the primary key ${textOfJson(key)}`);
