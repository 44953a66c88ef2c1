/** The copies that a capture keeps up to date beside its repository. */
import { resolve } from "node:path";
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { nameOfLane } from "../repository/lanes.js";
import { NotingStore } from "../storage/noting-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { impatient } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import type { StoreUse } from "../storage/store-use.js";
import { Replica, type ReplicaObserver } from "./replica.js";

/** How long the end of a capture is held up by a copy that is not level. */
const closingMsMax = 15_000;

export class Replicas {
  private readonly replicas: Replica[];
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
    observerOf: (copy: string) => ReplicaObserver,
    use: StoreUse,
  ) {
    refuseSamePlaces([primary, ...copies]);
    this.replicas = copies.map((location) => {
      // Stores of its own: a copy that hangs holds nobody else up.
      const [from, to] = [primary, location].map((one) => storeAt(one, impatient, { use })) as [
        ObjectStore,
        ObjectStore,
      ];
      return new Replica(from, to, clock, observerOf(to.location));
    });
  }

  /** The store of the repository, of which the copies hear what is put. */
  hearing(store: ObjectStore): ObjectStore {
    if (this.replicas.length === 0) return store;
    return new NotingStore(store, (name) => this.offer(name));
  }

  /** Takes the segments of a lane. */
  ofLane(lane: number): (name: string, bytes: Buffer) => void {
    return (name, bytes) => this.offer(nameOfLane(name, lane), bytes);
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

/** A copy in the place of the repository would be given segments before it is known that they may be put. */
function refuseSamePlaces(repos: string[]): void {
  const places = repos.map((one) => resolve(one.replace(/^file:\/*(?=\/)/, "")));
  const twice = repos.find((_, i) => places.indexOf(places[i]!) < i);
  if (twice === undefined) return;
  throw new ThinkbackError("usage", `--repo ${twice} is the same place as another --repo`, {
    hint: "give the repository once, and each copy of it once",
  });
}
