/** What of one table is out of order at the moment, as faults set it. */
import { LOOK_AGAIN_MS } from "./outages.js";
import { NotYet, opFailed, type ReqlError } from "./reql-error.js";
import type { ReadMode } from "./selection-table.js";
import type { Timers } from "./timers.js";

const NO_QUORUM_READ =
  'The primary replica isn\'t connected to a quorum of replicas. The read was not performed, you can do an outdated read using `read_mode="outdated"`.';
const NO_QUORUM_WRITE =
  "The primary replica isn't connected to a quorum of replicas. The write was not performed.";
const NO_PRIMARY = 'primary replica for shard ["", +inf) not available';

export class TableOutage {
  /** Reads fail, though feeds can be opened. */
  scansRefused = false;
  /** How many were. */
  refusals = 0;
  /** Feeds cannot be opened, though reads are answered. */
  feedsRefused = false;
  /** Majority reads are not answered, though everything else is. */
  majorityHangs = false;
  /** None of the servers that hold replicas is reached. */
  replicasLost = false;
  readonly #timers: Timers;
  readonly #unavailable: () => boolean;
  /** When the isolated primary finds out that it is alone; undefined: it is not isolated. */
  #noticedMs: number | undefined;

  /** @param unavailable whether no table has a primary replica, as after a restart */
  constructor(timers: Timers, unavailable: () => boolean) {
    this.#timers = timers;
    this.#unavailable = unavailable;
  }

  isolate(noticedAfterMs: number): void {
    this.#noticedMs = this.#timers.now() + noticedAfterMs;
  }

  endIsolation(): void {
    this.#noticedMs = undefined;
  }

  get isolated(): boolean {
    return this.#noticedMs !== undefined;
  }

  /** Whether the isolated primary knows that it is alone. */
  get noticed(): boolean {
    return this.#noticedMs !== undefined && this.#timers.now() >= this.#noticedMs;
  }

  /** Whether a primary replica takes reads and writes. */
  get available(): boolean {
    return !this.#unavailable() && !this.replicasLost && !this.isolated;
  }

  /** @throws {ReqlError | NotYet} when the table cannot be read now */
  checkReadable(mode: ReadMode): void {
    if (this.replicasLost && mode === "outdated")
      throw opFailed("Cannot perform read: no replica is available");
    if (mode === "outdated") return;
    if (this.scansRefused) this.refusals += 1;
    if (this.scansRefused || this.replicasLost || this.#unavailable())
      throw opFailed(`Cannot perform read: ${NO_PRIMARY}`);
    if (this.noticed) throw opFailed(`Cannot perform read: ${NO_QUORUM_READ}`);
    if ((this.isolated || this.majorityHangs) && mode === "majority")
      throw new NotYet(LOOK_AGAIN_MS);
  }

  /** @throws {ReqlError | NotYet} when the table cannot be written now */
  checkWritable(): void {
    if (this.replicasLost || this.#unavailable())
      throw opFailed(`Cannot perform write: ${NO_PRIMARY}`);
    if (this.noticed) throw opFailed(`Cannot perform write: ${NO_QUORUM_WRITE}`);
    if (this.isolated) throw new NotYet(LOOK_AGAIN_MS);
  }

  /** Why no feed on the table of this name can be opened now. */
  refusalOfFeeds(name: string): ReqlError | undefined {
    const why =
      this.feedsRefused || this.replicasLost || this.#unavailable()
        ? NO_PRIMARY
        : this.noticed && NO_QUORUM_READ;
    return why ? opFailed(`cannot subscribe to table \`${name}\`: ${why}`) : undefined;
  }
}
