/** A connection to the simulated cluster without a socket: bytes go through the cluster's own latency. */
import type { Timers } from "./timers.js";

export interface Link {
  send(bytes: Uint8Array): void;
  onData(listener: (bytes: Uint8Array) => void): void;
  onClose(listener: () => void): void;
  destroy(): void;
}

/** What the whole network does at the moment. */
export interface Weather {
  /** For a message and its answer together. */
  latencyMs: number;
  paused: boolean;
}

interface Waiting {
  readonly bytes: Uint8Array;
  readonly dueMs: number;
}

/** One direction of a link: bytes in order, each after the latency that was in force when it was sent. */
export class Pipe {
  readonly #timers: Timers;
  readonly #weather: Weather;
  readonly #deliver: (bytes: Uint8Array) => void;
  /** Delivers at once when there is no latency; for sockets, which bring their own. */
  readonly #immediate: boolean;
  #queue: Waiting[] = [];
  #armed = false;
  #closed = false;

  constructor(
    timers: Timers,
    weather: Weather,
    immediate: boolean,
    deliver: (bytes: Uint8Array) => void,
  ) {
    this.#timers = timers;
    this.#weather = weather;
    this.#immediate = immediate;
    this.#deliver = deliver;
  }

  push(bytes: Uint8Array): void {
    if (this.#closed) return;
    const { paused, latencyMs } = this.#weather;
    if (this.#immediate && !paused && latencyMs === 0 && this.#queue.length === 0) {
      this.#deliver(bytes);
      return;
    }
    this.#queue.push({ bytes, dueMs: this.#timers.now() + latencyMs / 2 });
    this.flow();
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
  }

  /** Goes on after a pause. */
  flow(): void {
    const [first] = this.#queue;
    if (!first || this.#armed || this.#weather.paused) return;
    this.#armed = true;
    this.#timers.setTimeout(
      () => {
        this.#armed = false;
        if (this.#weather.paused) return;
        this.#deliverDue();
        this.flow();
      },
      Math.max(0, first.dueMs - this.#timers.now()),
    );
  }

  #deliverDue(): void {
    const now = this.#timers.now() + 1e-6;
    while (this.#queue[0] && this.#queue[0].dueMs <= now && !this.#closed) {
      const { bytes } = this.#queue.shift()!;
      this.#deliver(bytes);
    }
  }
}
