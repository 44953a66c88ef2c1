/**
 * What writers know of their own writes: for every key each write, when it was sent and when it was acknowledged.
 * Each key belongs to one writer, and a writer waits for one write of a key before the next, so the versions of a key
 * have one order.
 */

export interface LedgerEntry {
  /** Milliseconds since the Unix epoch, by the clock of the process that captures too. */
  sent: number;
  /** Undefined if the write was never acknowledged: then it may or may not have happened. */
  acknowledged: number | undefined;
  /** Canonical JSON text of the document after the write; null if it was deleted. */
  document: string | null;
  /** Acknowledged before it was on the disk. */
  soft: boolean;
  /** From this instant on the server may have lost it, though it was acknowledged. */
  maybeLostFrom?: number;
}

export interface Judgement {
  keys: number;
  /** Keys whose state was the last acknowledged one, or one whose write was under way at the instant. */
  right: number;
  /** Of those, keys whose state is one of several possible ones. */
  inFlight: number;
  wrong: { key: string; found: string | null; allowed: (string | null)[] }[];
}

export class Ledger {
  private readonly entries = new Map<string, LedgerEntry[]>();

  /** Notes that a write is sent; call the result when it is acknowledged. */
  send(key: string, document: string | null, now: () => number, soft = true): () => void {
    const entry: LedgerEntry = { sent: now(), acknowledged: undefined, document, soft };
    const list = this.entries.get(key);
    if (list) list.push(entry);
    else this.entries.set(key, [entry]);
    return () => {
      entry.acknowledged = now();
    };
  }

  /** The server died at `instant`: soft writes acknowledged less than `unflushedMs` before may be lost from then on. */
  noteCrash(instant: number, unflushedMs: number): void {
    for (const list of this.entries.values()) {
      for (const entry of list) {
        const { acknowledged, soft } = entry;
        if (soft && acknowledged !== undefined && acknowledged > instant - unflushedMs) {
          entry.maybeLostFrom ??= instant;
        }
      }
    }
  }

  /**
   * Compares a restored state with what it may be at `instant`. A write that was sent after it must not be seen; one
   * that was acknowledged more than `deliveryMs` before it must be.
   */
  judge(state: Map<string, string>, instant: number, deliveryMs: number): Judgement {
    const judgement: Judgement = { keys: 0, right: 0, inFlight: 0, wrong: [] };
    const keys = new Set([...this.entries.keys(), ...state.keys()]);
    for (const key of keys) {
      const found = state.get(key) ?? null;
      const allowed = this.allowed(key, instant, deliveryMs);
      judgement.keys += 1;
      if (allowed.includes(found)) {
        judgement.right += 1;
        if (allowed.length > 1) judgement.inFlight += 1;
      } else {
        judgement.wrong.push({ key, found, allowed });
      }
    }
    return judgement;
  }

  /** All writes of a key, in order. */
  history(key: string): readonly LedgerEntry[] {
    return this.entries.get(key) ?? [];
  }

  private allowed(key: string, instant: number, deliveryMs: number): (string | null)[] {
    const entries = this.entries.get(key) ?? [];
    let settled: string | null = null;
    let open: (string | null)[] = [];
    for (const { sent, acknowledged, document, maybeLostFrom } of entries) {
      if (sent > instant) break;
      const kept = maybeLostFrom === undefined || maybeLostFrom > instant;
      if (kept && acknowledged !== undefined && acknowledged <= instant - deliveryMs) {
        settled = document;
        open = [];
      } else {
        open.push(document);
      }
    }
    return [...new Set([settled, ...open])];
  }
}
