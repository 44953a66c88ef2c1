import type { TableName, Target } from "../rethinkdb/target.js";

/** Batches are closed at either bound. The server splits an insert into writes of 128 documents, one after the other. */
const batchDocumentsMax = 500;
const batchBytesMax = 1024 * 1024;

/** Writes documents in batches, several at once; each document is sent once. */
export class BatchWriter {
  documents = 0;
  bytes = 0;
  private batch: Buffer[] = [];
  private batchBytes = 0;
  private readonly queue: Buffer[][] = [];
  private readonly underWay = new Set<Promise<void>>();
  private failure: Error | undefined;

  constructor(
    private readonly target: Target,
    private readonly table: TableName,
  ) {}

  /** Adds a document; its buffer is kept until it is written. */
  add(document: Buffer): void {
    this.batch.push(document);
    this.batchBytes += document.length;
    this.documents += 1;
    this.bytes += document.length;
    if (this.batch.length >= batchDocumentsMax || this.batchBytes >= batchBytesMax)
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

  private closeBatch(): void {
    if (this.batch.length > 0) this.queue.push(this.batch);
    this.batch = [];
    this.batchBytes = 0;
  }

  private start(): void {
    while (this.queue.length > 0 && this.underWay.size < this.target.writesAtOnce) {
      const write = this.target.write(this.table, this.queue.shift()!).catch((error: unknown) => {
        this.failure ??= error as Error;
      });
      this.underWay.add(write);
      void write.then(() => this.underWay.delete(write));
    }
  }

  private async oneDone(): Promise<void> {
    await Promise.race(this.underWay);
    if (this.failure) throw this.failure;
    this.start();
  }
}
