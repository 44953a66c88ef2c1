import { untilAborted } from "../abort.js";
import { SetDigest } from "../digest.js";
import { BothEnds, bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";

/** How far the documents of a table are written, in the order of keys. */
export interface Acknowledged {
  /** JSON text of a key: everything before it is acknowledged. */
  key: Buffer;
  /** How many documents that are. */
  documents: number;
}

/** So many more documents must be acknowledged before they are read back: each time costs a connection. */
const stepDocuments = 10_000;

/**
 * The set digest of what the target holds of a table, read back document by document, each once. What is acknowledged
 * is made durable and read while the rest is being written. On a machine that others keep busy the restore ends sooner;
 * on an idle one it takes as long as with a reading at the end (docs/benchmarks.md).
 *
 * Invariant: what is read is durable. A server that crashes loses what it has acknowledged; if that was read before,
 * nobody would miss it.
 */
export class ReadBack {
  private readonly held = new SetDigest();
  /** JSON text of the key that is reached. */
  private reached: Buffer | undefined;
  private documents = 0;
  private step: Promise<void> | undefined;
  private failure: unknown;
  private readonly abandoned = new AbortController();
  private readonly signal: AbortSignal;

  constructor(
    private readonly target: Target,
    private readonly table: TableReference,
    signal: AbortSignal,
  ) {
    this.signal = AbortSignal.any([signal, this.abandoned.signal]);
  }

  /** Ends the reading at once, because the table could not be written. */
  abandon(error: unknown): void {
    this.abandoned.abort(error);
  }

  /** Begins to read what is acknowledged by now, if it is enough and nothing is being read. */
  follow({ key, documents }: Acknowledged): void {
    if (this.step || documents - this.documents < stepDocuments) return;
    this.documents = documents;
    this.step = this.readTo(key)
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => {
        this.step = undefined;
      });
  }

  /**
   * Reads the rest, when everything is written and durable. Rejects if anything could not be read.
   * @param documents how many the table should have
   */
  async finish(documents: number): Promise<SetDigest> {
    await this.ended();
    if (this.failure) throw this.failure;
    const isLarge = documents - this.held.count >= bothEndsFromDefault;
    const ends = new BothEnds(this.reached);
    await ends.run(isLarge, this.signal, async (options) => {
      for await (const batch of this.target.scan(this.table, options)) {
        this.signal.throwIfAborted();
        ends.forEach(options.order, batch, (_, document) => this.held.addDocument(document));
      }
    });
    return this.held;
  }

  /** Resolves when nothing is being read, also after a failure. */
  async ended(): Promise<void> {
    await this.step;
  }

  private async readTo(key: Buffer): Promise<void> {
    await untilAborted(this.target.sync(this.table), this.signal);
    const after = this.reached;
    const options = { signal: this.signal, until: () => key, ...(after ? { after } : {}) };
    for await (const batch of this.target.scan(this.table, options)) {
      batch.forEach((_, document) => this.held.addDocument(document));
      this.reached = batch.lastKey ?? this.reached;
    }
  }
}
