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

/** What a state can be held against. */
export interface Book {
  /** A write that was sent after `instant` must not be seen; one acknowledged more than `deliveryMs` before it must be. */
  judge(state: Map<string, string>, instant: number, deliveryMs: number): Judgement;
  /** Writes of a key, in order, for whoever looks into what is wrong. */
  history(key: string): readonly object[];
  /** The server died at `instant`: soft writes acknowledged less than `unflushedMs` before may be lost from then on. */
  noteCrash(instant: number, unflushedMs: number): void;
  /** Between `since` and `seen` the server itself lost what it had acknowledged of this key. */
  noteLost(key: string, since: number, seen: number): void;
}

/** By key, what it may be: more than one thing where it was being written. */
export type Answers = ReadonlyMap<string, (string | null)[]>;

export class Ledger implements Book {
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

  noteLost(key: string, since: number, seen: number): void {
    for (const entry of this.history(key)) {
      const { acknowledged } = entry;
      if (acknowledged !== undefined && acknowledged <= seen) entry.maybeLostFrom ??= since;
    }
  }

  /**
   * Compares a restored state with what it may be at `instant`. A write that was sent after it must not be seen; one
   * that was acknowledged more than `deliveryMs` before it must be.
   */
  judge(state: Map<string, string>, instant: number, deliveryMs: number): Judgement {
    return judgeBy(this.answersAt(instant, deliveryMs), state);
  }

  /** What each key may be at an instant that has passed. */
  answersAt(instant: number, deliveryMs: number): Answers {
    return new Map(
      [...this.entries.keys()].map((key) => [key, this.allowed(key, instant, deliveryMs)]),
    );
  }

  /** Forgets what only answers of before `instant` need. Not for a server that may yet lose what it acknowledged. */
  forgetBefore(instant: number, deliveryMs: number): void {
    for (const [key, list] of this.entries) {
      const settled = list.findLastIndex(
        ({ acknowledged }) => acknowledged !== undefined && acknowledged <= instant - deliveryMs,
      );
      if (settled === -1) continue;
      list.splice(0, settled);
      // A key that is not there needs no entry.
      if (list.length === 1 && list[0]!.document === null) this.entries.delete(key);
    }
  }

  /** Whether the answer to a write of this key was lost, or is waited for. */
  isOpen(key: string): boolean {
    return this.history(key).some(({ acknowledged }) => acknowledged === undefined);
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

/** Compares a restored state with what it may be. */
export function judgeBy(answers: Answers, state: Map<string, string>): Judgement {
  const judgement: Judgement = { keys: 0, right: 0, inFlight: 0, wrong: [] };
  for (const key of new Set([...answers.keys(), ...state.keys()])) {
    const found = state.get(key) ?? null;
    const allowed = answers.get(key) ?? [null];
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
