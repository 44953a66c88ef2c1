import type { TableReference } from "../rethinkdb/table-reference.js";
import { DocumentsRefused, type Target } from "../rethinkdb/target.js";
import type { Pace } from "./pace.js";

/** A batch is closed at either bound. The server splits an insert into writes of 128 documents, one after the other. */
const batchDocumentsMax = 500;
const batchBytesMax = 1024 * 1024;
/** At most so many documents are left out: a target that refuses more has another reason than the documents. */
const refusedMax = 1000;

interface Row {
  key: Buffer;
  document: Buffer;
}

/** A document that the target refuses to store. */
export interface RefusedDocument extends Row {
  /** The target's message. */
  reason: string;
}

/**
 * Writes documents in batches, several at once. If the target refuses documents of a batch, the batch is written in
 * halves, down to the documents that the target refuses: these are left out.
 */
export class BatchWriter {
  documents = 0;
  bytes = 0;
  readonly refused: RefusedDocument[] = [];
  private batch: Row[] = [];
  private batchBytes = 0;
  private readonly queue: Row[][] = [];
  private readonly underWay = new Set<Promise<void>>();
  private failure: Error | undefined;
  private readonly documentsMax: number;
  private readonly bytesMax: number;
  private readonly writesAtOnce: number;

  constructor(
    private readonly target: Target,
    private readonly table: TableReference,
    private readonly pace?: Pace,
  ) {
    this.documentsMax = Math.min(batchDocumentsMax, pace?.documentsMax ?? batchDocumentsMax);
    this.bytesMax = Math.min(batchBytesMax, pace?.bytesMax ?? batchBytesMax);
    this.writesAtOnce = pace?.isGentle ? 1 : target.writesAtOnce;
  }

  /** Adds a document; its buffers are kept until it is written. */
  add(key: Buffer, document: Buffer): void {
    this.documents += 1;
    this.bytes += document.length;
    if (document.length > this.target.documentBytesMax) {
      this.queue.push([{ key, document }]);
      return;
    }
    this.batch.push({ key, document });
    this.batchBytes += document.length;
    if (this.batch.length >= this.documentsMax || this.batchBytes >= this.bytesMax)
      this.closeBatch();
  }

  /** Resolves when there is room for more; rejects if a batch could not be written. */
  async room(): Promise<void> {
    this.start();
    while (this.queue.length > 0) await this.oneDone();
    if (this.failure) throw this.failure;
  }

  /** Writes what is left; resolves when everything is acknowledged. */
  async finish(): Promise<void> {
    this.closeBatch();
    this.start();
    while (this.underWay.size > 0) await this.oneDone();
    if (this.failure) throw this.failure;
  }

  /** Resolves when no write is under way any more, also after one has failed. Begins none. */
  async ended(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private closeBatch(): void {
    if (this.batch.length > 0) this.queue.push(this.batch);
    this.batch = [];
    this.batchBytes = 0;
  }

  private start(): void {
    while (this.queue.length > 0 && this.underWay.size < this.writesAtOnce) {
      const write = this.paced(this.queue.shift()!).catch((error: unknown) => {
        this.failure ??= error as Error;
      });
      this.underWay.add(write);
      void write.then(() => this.underWay.delete(write));
    }
  }

  private paced(rows: Row[]): Promise<void> {
    if (!this.pace) return this.write(rows);
    const bytes = rows.reduce((sum, { document }) => sum + document.length, 0);
    return this.pace.write(rows.length, bytes, () => this.write(rows));
  }

  private async write(rows: Row[]): Promise<void> {
    try {
      await this.send(rows);
    } catch (error) {
      if (!(error instanceof DocumentsRefused)) throw error;
      if (rows.length === 1) {
        this.refuse(rows[0]!, error);
        return;
      }
      const half = rows.length >> 1;
      await this.write(rows.slice(0, half));
      await this.write(rows.slice(half));
    }
  }

  private send(rows: Row[]): Promise<void> {
    const [first] = rows;
    if (first && first.document.length > this.target.documentBytesMax) {
      return this.target.writeLarge(this.table, first.key, first.document);
    }
    return this.target.write(
      this.table,
      rows.map(({ document }) => document),
    );
  }

  private refuse(row: Row, error: DocumentsRefused): void {
    if (this.refused.length >= refusedMax) throw error;
    this.refused.push({ ...row, reason: error.message });
    this.documents -= 1;
    this.bytes -= row.document.length;
  }

  private async oneDone(): Promise<void> {
    await Promise.race(this.underWay);
    if (this.failure) throw this.failure;
    this.start();
  }
}
