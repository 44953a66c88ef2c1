/** The copies that a capture keeps up to date beside its repository. */
import type { Clock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { laneStore, nameOfLane } from "../repository/lanes.js";
import { NotingStore } from "../storage/noting-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { impatient } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import type { StoreUse } from "../storage/store-use.js";
import { deliverLeft, type LeftObserver } from "./left-in-copies.js";
import { Replica, type ReplicaObserver } from "./replica.js";
import { refuseApart } from "./start-together.js";

export type CopyObserver = ReplicaObserver & LeftObserver;

/** How long the end of a capture is held up by a copy that is not level. */
const closingMsMax = 15_000;

export class Replicas {
  private readonly primary: ObjectStore;
  private readonly copies: { store: ObjectStore; observer: CopyObserver }[];
  private readonly replicas: Replica[];
  /** The copies that were not there when the capture began. A new one may be made in their place since. */
  private absent: ObjectStore[] = [];
  private readonly ended = new AbortController();
  private running: Promise<unknown> = Promise.resolve();

  /**
   * @param primary where the repository is
   * @param copies where its copies are, or will be
   * @param observerOf the observer of the copy at a location
   * @param use where the requests to them and for them are counted
   */
  constructor(
    primary: string,
    copies: readonly string[],
    private readonly clock: Clock,
    observerOf: (copy: string) => CopyObserver,
    use: StoreUse,
  ) {
    this.primary = storeAt(primary, impatient, { use });
    this.copies = copies.map((location) => {
      const store = storeAt(location, impatient, { use });
      return { store, observer: observerOf(store.location) };
    });
    this.replicas = this.copies.map(({ store, observer }) => {
      // A store of its own: a copy that hangs holds nobody else up.
      return new Replica(storeAt(primary, impatient, { use }), store, clock, observer);
    });
  }

  /** Throws, with code "repository", if a copy that is there can never follow the repository. */
  async refuseApart(): Promise<void> {
    const copies = this.copies.map(({ store }) => store);
    this.absent = await refuseApart(this.primary, copies, this.clock);
  }

  /** The store of the repository, of which the copies hear what is put, and what this process goes by. */
  hearing(store: ObjectStore): ObjectStore {
    if (this.replicas.length === 0) return store;
    return new NotingStore(
      store,
      (name) => this.offer(name),
      (name, bytes) => {
        for (const replica of this.replicas) replica.heed(name, bytes);
      },
    );
  }

  /** Takes the segments of a lane. */
  ofLane(lane: number): (name: string, bytes: Buffer) => void {
    return (name, bytes) => this.offer(nameOfLane(name, lane), bytes);
  }

  /** Brings to a lane of the repository the ticks that only copies have. */
  async deliverLeft(repository: Repository, lane: number): Promise<void> {
    const copies = this.copies.map(({ store, observer }) => {
      return { store: laneStore(store, lane), observer, wasAbsent: this.absent.includes(store) };
    });
    if (copies.length > 0) await deliverLeft(repository, copies, this.clock);
  }

  begin(): void {
    this.running = Promise.all(this.replicas.map((replica) => replica.run(this.ended.signal)));
  }

  /** Ends when the copies are level, or fail; without `patiently` also if they take too long. */
  async end(patiently: boolean): Promise<void> {
    for (const replica of this.replicas) replica.close();
    const { signal } = this.ended;
    const over = this.clock.sleep(patiently ? oneShotMsMax : closingMsMax, signal);
    await Promise.race([this.running, over.catch(() => undefined)]);
    await this.stop();
  }

  /** Ends at once. */
  async stop(): Promise<void> {
    this.ended.abort(new Error("the capture ended"));
    await this.running;
  }

  private offer(name: string, bytes?: Buffer): void {
    for (const replica of this.replicas) replica.offer(name, bytes);
  }
}

/** A one-shot backup waits for its copies, for at most a day: no timer is set for longer. */
const oneShotMsMax = 86_400_000;
