/**
 * What the one writer of a table knows of its writes, most of which change all documents at once. Each write is a round:
 * it sets `round` in every document, or in one. Kept by writes and not by documents, of which there are too many.
 */
import type { Book, Judgement } from "../endtoend/ledger.js";

interface Round {
  sent: number;
  /** Undefined if it was never acknowledged: then every document of it may have it or not. */
  acknowledged: number | undefined;
  /** The document that was written; undefined for all of them. */
  key: number | undefined;
}

export class Rounds implements Book {
  /** By number; the first is that of the documents as they were inserted. */
  private readonly rounds: Round[] = [];
  private readonly lost = new Map<number, { since: number; seen: number }>();

  constructor(readonly documents: number) {}

  /** Notes that a round is sent; call `acknowledge` when it is acknowledged. */
  send(key?: number): { round: number; acknowledge: () => void } {
    const round: Round = { sent: Date.now(), acknowledged: undefined, key };
    this.rounds.push(round);
    const acknowledge = () => {
      round.acknowledged = Date.now();
    };
    return { round: this.rounds.length - 1, acknowledge };
  }

  judge(state: Map<string, string>, instant: number, deliveryMs: number): Judgement {
    const judgement: Judgement = { keys: 0, right: 0, inFlight: 0, wrong: [] };
    const ofAll = this.rounds.flatMap(({ key }, round) => (key === undefined ? [round] : []));
    const ofKeys = new Map<number, number[]>();
    for (const [round, { key }] of this.rounds.entries()) {
      if (key !== undefined) ofKeys.set(key, [...(ofKeys.get(key) ?? []), round]);
    }
    for (const key of this.lost.keys()) if (!ofKeys.has(key)) ofKeys.set(key, []);
    const untouched = this.allowed(ofAll, instant, deliveryMs);
    for (let key = 0; key < this.documents; key += 1) {
      const own = ofKeys.get(key);
      const rounds = own && [...ofAll, ...own].sort((a, b) => a - b);
      const allowed = rounds ? this.allowed(rounds, instant, deliveryMs, key) : untouched;
      const found = roundOf(state.get(String(key)));
      judgement.keys += 1;
      if (allowed.includes(found)) {
        judgement.right += 1;
        if (allowed.length > 1) judgement.inFlight += 1;
      } else {
        judgement.wrong.push({
          key: String(key),
          found: found === null ? null : `round ${found}`,
          allowed: allowed.map((round) => (round === null ? null : `round ${round}`)),
        });
      }
    }
    for (const key of state.keys()) {
      if (Number(key) < this.documents) continue;
      judgement.wrong.push({ key, found: "a document that nobody wrote", allowed: [null] });
    }
    return judgement;
  }

  /** Whether the answer to a write of this document alone was lost, or is waited for. */
  isOpen(key: number): boolean {
    return this.rounds.some((round) => round.key === key && round.acknowledged === undefined);
  }

  history(key: string): readonly object[] {
    return this.rounds
      .map((round, number) => ({ number, ...round }))
      .filter(({ key: of }) => of === undefined || String(of) === key)
      .slice(-12);
  }

  /** All is written with hard durability. */
  noteCrash(): void {}

  noteLost(key: string, since: number, seen: number): void {
    this.lost.set(Number(key), { since: this.lost.get(Number(key))?.since ?? since, seen });
  }

  /**
   * What a document may have, whose writes are these rounds, in order. Null: it may not be there yet. A round that was
   * never acknowledged may come at any time after it was sent, also over a later one: a server that stood still has it.
   */
  private allowed(
    rounds: number[],
    instant: number,
    deliveryMs: number,
    key = -1,
  ): (number | null)[] {
    let allowed: (number | null)[] = [null];
    const { since, seen } = this.lost.get(key) ?? { since: 0, seen: 0 };
    const lost: number[] = [];
    for (const number of rounds) {
      const { sent, acknowledged } = this.rounds[number]!;
      if (sent > instant) break;
      if (acknowledged === undefined) lost.push(number);
      const isKept = acknowledged !== undefined && (acknowledged > seen || instant < since);
      const isSettled = isKept && acknowledged <= instant - deliveryMs;
      allowed = isSettled ? [number, ...lost] : [...allowed, number];
    }
    return allowed;
  }
}

function roundOf(document: string | undefined): number | null {
  const round = document && /"round":(\d+)/.exec(document)?.[1];
  return round ? Number(round) : null;
}
