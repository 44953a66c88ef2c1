import { digestOf } from "../digest.js";
import { type OrderCode, orderCode } from "../key-order.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";

interface Held {
  code: OrderCode;
  digest: string;
}

/**
 * What a half-filled table holds, read in key order while the restore goes over the same keys. All of it is compared:
 * batches are written several at once, and a server that crashes may lose those of them that it had acknowledged.
 */
export class HeldKeys {
  private readonly rows: AsyncGenerator<Held>;
  private current: Held | undefined;
  private isEnded = false;

  constructor(target: Target, table: TableReference, signal: AbortSignal) {
    this.rows = rowsOf(target, table, signal);
  }

  /** True if the table has this document under this key. Keys MUST be asked for in their order. */
  async has(code: OrderCode, document: Buffer): Promise<boolean> {
    while (!this.isEnded && (this.current === undefined || this.current.code < code)) {
      const { done, value } = await this.rows.next();
      if (done) this.isEnded = true;
      else this.current = value;
    }
    return this.current?.code === code && this.current.digest === digestOf(document);
  }

  async end(): Promise<void> {
    await this.rows.return(undefined);
  }
}

async function* rowsOf(
  target: Target,
  table: TableReference,
  signal: AbortSignal,
): AsyncGenerator<Held> {
  for await (const batch of target.scan(table, { signal })) {
    const rows: Held[] = [];
    batch.forEach((key, document) => {
      rows.push({ code: orderCode(key), digest: digestOf(document) });
    });
    yield* rows;
  }
}
