import type { Clock } from "../clock.js";
import {
  failureOf,
  isForOthersToMend,
  type ObjectStore,
  putOnce,
  type StoredObject,
} from "../storage/object-store.js";

const retryFirstMs = 200;
const retryLastMs = 15_000;

/**
 * A store whose puts wait while it fails, until the signal aborts: a copy of hours is not thrown away, and capture does
 * not end, because a disk or a network is away for a minute. What trying again cannot mend is thrown at once.
 */
export class PatientStore implements ObjectStore {
  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
    /** Wait for room, and for permission, too: as ticks do that have a spool. */
    private readonly waitsForRoom = false,
  ) {}

  get location(): string {
    return this.store.location;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    for (let pauseMs = retryFirstMs; ; pauseMs = Math.min(2 * pauseMs, retryLastMs)) {
      try {
        return await putOnce(
          this.store,
          name,
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        );
      } catch (error) {
        const waits = this.waitsForRoom && isForOthersToMend(error);
        if (failureOf(error) !== "unavailable" && !waits) throw error;
      }
      await this.clock.sleep(pauseMs, this.signal);
    }
  }

  get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    return this.store.get(name, range);
  }

  size(name: string): Promise<number | undefined> {
    return this.store.size(name);
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.store.list(prefix);
  }

  delete(name: string): Promise<void> {
    return this.store.delete(name);
  }
}
