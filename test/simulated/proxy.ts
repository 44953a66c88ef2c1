/** A proxy: it answers what it knows itself, and asks the servers for the rest. */
import { LOOK_AGAIN_MS } from "./outages.js";
import type { Reach } from "./reach.js";
import { NotYet } from "./reql-error.js";
import type { Timers } from "./timers.js";

/** How long a proxy and its servers miss each other before either gives the other up. */
const HEARTBEAT_TIMEOUT_MS = 15_000;

export class Proxy {
  readonly id: string;
  readonly #timers: Timers;
  #cutMs: number | undefined;

  constructor(id: string, timers: Timers) {
    this.id = `proxy-${id}`;
    this.#timers = timers;
  }

  get isCut(): boolean {
    return this.#cutMs !== undefined;
  }

  cut(): void {
    this.#cutMs ??= this.#timers.now();
  }

  /** Ends a cut; gives whether it was so long that the proxy's feeds are lost. */
  reconnect(): boolean {
    const lost =
      this.#cutMs !== undefined && this.#timers.now() - this.#cutMs > HEARTBEAT_TIMEOUT_MS;
    this.#cutMs = undefined;
    return lost;
  }

  /** @throws {NotYet} while the proxy cannot reach what a query needs */
  check(reach: Reach): void {
    if (this.isCut && reach.needsServer) throw new NotYet(LOOK_AGAIN_MS);
  }
}
