/**
 * Resync: a scan under the open feed, merge-joined with the last known state, so that only differences are written.
 *
 * Invariant: what the feed says of a key since it opened is the truth about it, and the scan never overrules it; of
 * every other key the scan's row, or its absence, is. Break it and a resync undoes a change that the feed had
 * delivered.
 */
import { digestOf } from "../digest.js";
import type { Instant } from "../instant.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { type BaseInventory, type BaseManifest, newestBase } from "../repository/bases/base.js";
import type { KnownKey } from "../repository/bases/known-state.js";
import type { ScanBatch } from "../rethinkdb/scan.js";

/** What a resync found. */
export interface ResyncSummary {
  /** Documents scanned. */
  documents: number;
  /** Differences written to the log. */
  puts: number;
  deletes: number;
}

/** Appends a difference to the log: `previous` is the digest last known, `document` null for a delete. */
export type Append = (key: Buffer, previous: string | null, document: Buffer | null) => void;

/**
 * Keys that the feed has spoken of, kept up to this many: of those from before the request of the current rows the
 * oldest go first. A key that was forgotten costs at most one version that says again what the log says already.
 */
const spokenKeysMax = 200_000;

export class Resync {
  readonly summary: ResyncSummary = { documents: 0, puts: 0, deletes: 0 };
  /** Sequence numbers of the last change of each key that came by the feed, oldest first. */
  private readonly spoken = new Map<OrderCode, number>();
  private known: KnownKey | undefined;

  private constructor(
    private readonly knownKeys: AsyncIterator<KnownKey>,
    private readonly append: Append,
  ) {}

  static begin(knownKeys: AsyncIterable<KnownKey>, append: Append): Resync {
    return new Resync(knownKeys[Symbol.asyncIterator](), append);
  }

  /** The feed has delivered a change of `key`, which the log numbered `sequence`. */
  noteChange(key: Buffer, sequence: number): void {
    const code = orderCode(key);
    this.spoken.delete(code);
    this.spoken.set(code, sequence);
  }

  /** Compares the rows of a batch, and the gaps between them, with what is known. */
  async compare(batch: ScanBatch): Promise<void> {
    this.forgetBefore(batch.stamp.sequence);
    const rows: { key: Buffer; document: Buffer }[] = [];
    batch.forEach((key, document) => rows.push({ key, document }));
    for (const { key, document } of rows) {
      const code = orderCode(key);
      await this.deleteUpTo(code);
      const known = this.known?.code === code ? this.known : undefined;
      if (known) this.known = undefined;
      this.summary.documents += 1;
      if (this.spoken.has(code) || known?.digest === digestOf(document)) continue;
      this.append(key, known?.digest ?? null, document);
      this.summary.puts += 1;
    }
  }

  /** The scan has ended: what is known beyond its last row is gone. */
  async finish(): Promise<ResyncSummary> {
    await this.deleteUpTo(undefined);
    return this.summary;
  }

  /** Known keys below `code` did not come: they are deleted, unless the feed has spoken of them. */
  private async deleteUpTo(code: OrderCode | undefined): Promise<void> {
    for (;;) {
      this.known ??= await this.nextKnown();
      const { known } = this;
      if (!known || (code !== undefined && known.code >= code)) return;
      this.known = undefined;
      if (this.spoken.has(known.code)) continue;
      this.append(known.key, known.digest, null);
      this.summary.deletes += 1;
    }
  }

  private async nextKnown(): Promise<KnownKey | undefined> {
    const next = await this.knownKeys.next();
    return next.done ? undefined : next.value;
  }

  private forgetBefore(sequence: number): void {
    for (const [code, spokenAt] of this.spoken) {
      if (this.spoken.size <= spokenKeysMax || spokenAt >= sequence) return;
      this.spoken.delete(code);
    }
  }
}

/**
 * The base that a resync of a table can start from; undefined if there is none.
 * @param lastCopy when the table's last copy was complete, by what is stored
 */
export function baseToResyncFrom(
  bases: BaseInventory,
  table: string,
  lastCopy: Instant = 0,
): BaseManifest | undefined {
  const base = newestBase(bases, table, Number.MAX_SAFE_INTEGER);
  if (!base) return undefined;
  // A base from before the last copy: that copy's own is lost, and the log does not lead there. A copy that no
  // record tells of: nobody would miss it if it were lost, so nothing may be built on it.
  const isCopy = base.logFrom < base.instant;
  const isUntold = isCopy && base.instant > lastCopy;
  return base.instant < lastCopy || isUntold ? undefined : base;
}
