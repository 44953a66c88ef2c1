import type { Datum, DatumObject } from "./datum.js";

interface UnflushedWrite {
  readonly code: string;
  readonly key: Datum;
  /** What a loss of this write brings back. */
  readonly before: DatumObject | null;
}

/** The soft writes that a server which loses its power would lose: those since the last flush. */
export class UnflushedWrites {
  readonly #flushIntervalMs: number;
  #writes: { write: UnflushedWrite; atMs: number }[] = [];

  constructor(flushIntervalMs: number) {
    this.#flushIntervalMs = flushIntervalMs;
  }

  /** A hard write flushes what came before it. */
  note(write: UnflushedWrite, durability: "hard" | "soft", nowMs: number): void {
    if (durability === "hard") this.flush();
    else this.#writes.push({ write, atMs: nowMs });
    if (this.#writes.length > 1024) this.#dropOld(nowMs);
  }

  flush(): void {
    this.#writes = [];
  }

  takeNewestFirst(nowMs: number): UnflushedWrite[] {
    this.#dropOld(nowMs);
    const lost = this.#writes.map(({ write }) => write).reverse();
    this.#writes = [];
    return lost;
  }

  #dropOld(nowMs: number): void {
    const from = this.#writes.findIndex(({ atMs }) => atMs > nowMs - this.#flushIntervalMs);
    this.#writes = from < 0 ? [] : this.#writes.slice(from);
  }
}
