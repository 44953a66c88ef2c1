/**
 * Copies the stored bytes of a repository to another store, while the source is written, folded and expired. Needs no
 * keys: a sealed repository is copied as it is stored.
 *
 * Invariant: at the target nothing is put before what it refers to, see copy-order.ts; nothing is overwritten; nothing
 * is put beside objects of another repository or history; and nothing is put whose bytes fail their own checksums.
 * Break it and the copy is of no use at the moment it is needed.
 */
import { isDamage, messageOf, UnusableObject } from "../errors.js";
import { repositoryName } from "../format/names.js";
import { severalAtOnce } from "../several-at-once.js";
import {
  failureOf,
  getIfThere,
  type ObjectStore,
  type StoredObject,
} from "../storage/object-store.js";
import { probesPrefix } from "../storage/probe.js";
import {
  inLane,
  isDecisive,
  isSignal,
  listingsNeeded,
  type OrderedLane,
  ordered,
} from "./copy-order.js";
import { Room } from "./room.js";
import {
  type Described,
  parted,
  refuseOther,
  refuseOtherHistory,
  refuseOtherTarget,
  takeTarget,
} from "./same-repository.js";
import { type StoredCheck, storedCheck } from "./stored-check.js";

/** At most so many objects are copied at once, and so many bytes of them are in memory, or one larger object. */
const copiedAtOnce = 8;
const bytesAtOnce = 64 * 1024 * 1024;

export interface CopyObserver {
  /** Another listing: what is left to copy now. */
  listed(left: Amount): void;
  copied(bytes: number): void;
}

export interface CopyOptions {
  /** Compare the bytes of what is there already, and read back what is put. */
  check?: boolean;
  observer?: CopyObserver;
  signal?: AbortSignal | undefined;
}

export interface Amount {
  objects: number;
  bytes: number;
}

/** An object that was not copied, or is not the same at the target. */
export interface Finding {
  object: string;
  what: string;
}

export interface Pass {
  copied: Amount;
  /** How many objects were gone when they were read: others stand for them, which a later listing shows. */
  vanished: number;
  /** Names of the listed objects that are not at the target; they are copied by a later pass. */
  left: Set<string>;
}

/** What became of an object; one that is "passed" is damaged, or there already. */
type Outcome = "copied" | "vanished" | "passed";

export class RepositoryCopy {
  /** What cannot be copied, by name. */
  readonly findings = new Map<string, Finding>();
  /** Bytes of what the target had when it was last listed, and of what was put since, by name. */
  private there = new Map<string, number>();
  /** In how many listings of the source an object was seen. Only of objects that the last one showed. */
  private seen = new Map<string, number>();
  private readonly compared = new Set<string>();
  private room = new Room(bytesAtOnce);
  private readonly isSound: StoredCheck;
  private hasPlace = false;

  private constructor(
    private readonly source: ObjectStore,
    private readonly target: ObjectStore,
    private readonly described: Described,
    private readonly options: CopyOptions,
  ) {
    this.isSound = storedCheck(described.description);
  }

  /** What is copied. */
  get description() {
    return this.described.description;
  }

  /**
   * Puts nothing yet.
   * @throws code "repository" if the source is no repository, or the target is neither empty nor a copy of it
   */
  static async begin(
    source: ObjectStore,
    target: ObjectStore,
    options: CopyOptions = {},
  ): Promise<RepositoryCopy> {
    const described = await refuseOtherTarget(source, target);
    return new RepositoryCopy(source, target, described, options);
  }

  /** How much of the source the target does not have, without copying any. */
  async plan(): Promise<Amount> {
    return amountOf((await this.list()).missing);
  }

  /** Copies until everything that one listing has shown is at the target. */
  async run(): Promise<Amount> {
    const sum: Amount = { objects: 0, bytes: 0 };
    let wanted: string[] | undefined;
    for (let passes = 1; ; passes += 1) {
      const { copied, vanished } = await this.pass();
      sum.objects += copied.objects;
      sum.bytes += copied.bytes;
      // What stands for what is gone may be on no listing yet; the first one cannot tell what is gone.
      if (vanished > 0 || passes === 1) wanted = undefined;
      else wanted = (wanted ?? [...this.seen.keys()]).filter((name) => !this.isDone(name));
      if (wanted?.length === 0) return sum;
    }
  }

  private isDone(name: string): boolean {
    return this.there.has(name) || this.findings.has(name);
  }

  /** Copies what the source shows and the target lacks, as far as it may be copied yet. */
  async pass(): Promise<Pass> {
    this.room = new Room(bytesAtOnce);
    const taken = await this.holdPlace();
    const { missing, gone } = await this.list();
    this.options.observer?.listed(amountOf(missing));
    const pass: Pass = {
      copied: amountOf(taken),
      vanished: gone,
      left: new Set(missing.map(({ name }) => name)),
    };
    const { first, referred, manifests, lanes } = ordered(missing);
    await this.inOrder(first, pass);
    await this.inAnyOrder(referred, pass);
    await this.inAnyOrder(manifests.filter(this.isReady), pass);
    const ended = await Promise.allSettled(lanes.map((lane) => this.lane(lane, pass)));
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    return pass;
  }

  /** A part of a pass. If it fails nothing else of the pass begins, and the pass fails when all has ended. */
  private async part<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.room.close(error);
      throw error;
    }
  }

  /** Sees to it that the target is this repository's, and that both stay so. Returns what was put for that. */
  private async holdPlace(): Promise<StoredObject[]> {
    if (this.hasPlace) {
      for (const place of [this.source, this.target]) await refuseOther(place, this.description);
      return [];
    }
    const isNew = await takeTarget(this.target, this.described);
    this.hasPlace = true;
    const { length: size } = this.described.bytes;
    if (isNew) this.options.observer?.copied(size);
    return isNew ? [{ name: repositoryName, size }] : [];
  }

  /** Lists both. `gone`: how many objects the last listing has shown that neither has now. */
  private async list(): Promise<{ missing: StoredObject[]; gone: number }> {
    const { source, target, options } = this;
    // The target first: what the source deletes and the target does not have is not asked for in vain.
    this.there = await listed(target, options.signal);
    await refuseOtherHistory(source, target, this.there.keys());
    const listing = await listed(source, options.signal);
    const gone = [...this.seen.keys()].filter((name) => !listing.has(name) && !this.isDone(name));
    this.seen = new Map([...listing.keys()].map((name) => [name, (this.seen.get(name) ?? 0) + 1]));
    const missing: StoredObject[] = [];
    for (const [name, size] of listing) {
      const known = this.there.get(name);
      if (known === undefined) missing.push({ name, size });
      else if (known !== size) {
        this.note(name, `it has ${size} bytes at the source and ${known} at the target`);
        const decides = isDecisive(name) ? await getIfThere(source, name) : undefined;
        if (decides) await this.compareOne(name, decides);
      }
    }
    if (options.check) await this.compare(listing);
    return { missing: missing.filter(({ name }) => !this.isUnsound(name)), gone: gone.length };
  }

  /** Found damaged at the source before: it is not read again by every pass. */
  private isUnsound(name: string): boolean {
    return this.findings.has(name);
  }

  private readonly isReady = ({ name }: StoredObject) =>
    (this.seen.get(name) ?? 0) >= listingsNeeded(name);

  /** One object after another; the next ones are read meanwhile. Ends at one that vanished, and returns false then. */
  private async inOrder(objects: StoredObject[], pass: Pass): Promise<boolean> {
    const reading = severalAtOnce(objects, copiedAtOnce, async (object) => {
      await this.room.take(object.size);
      return { object, bytes: await this.part(() => this.read(object)) };
    });
    let isWhole = true;
    for await (const { object, bytes } of reading) {
      try {
        if (!isWhole) continue;
        isWhole = await this.part(async () => {
          const outcome = await this.put(object, bytes);
          this.count(object, outcome, pass);
          return outcome !== "vanished";
        });
      } finally {
        this.room.give(object.size);
      }
    }
    return isWhole;
  }

  private async inAnyOrder(objects: StoredObject[], pass: Pass): Promise<void> {
    const copying = severalAtOnce(objects, copiedAtOnce, async (object) => {
      const outcome = await this.room.during(object.size, () =>
        this.part(async () => this.put(object, await this.read(object))),
      );
      this.count(object, outcome, pass);
    });
    for await (const _ of copying) this.options.signal?.throwIfAborted();
  }

  /** The log as far as it is known without a hole; then, if nothing of it had to wait, what says how to read it. */
  private async lane({ log, state }: OrderedLane, pass: Pass): Promise<void> {
    const end = log.findIndex((object) => !this.isReady(object));
    const ready = end === -1 ? log : log.slice(0, end);
    if (!(await this.inOrder(ready, pass))) return;
    // One that could be copied waits behind one that cannot yet. An expiry may rely on it.
    if (log.slice(ready.length).some(this.isReady)) return;
    await this.inOrder(state.filter(this.isReady), pass);
  }

  private count({ name, size }: StoredObject, outcome: Outcome, pass: Pass): void {
    if (outcome === "vanished") {
      pass.vanished += 1;
      return;
    }
    pass.left.delete(name);
    if (outcome !== "copied") return;
    pass.copied.objects += 1;
    pass.copied.bytes += size;
    this.options.observer?.copied(size);
  }

  /** The bytes of an object; undefined if it is gone. An object that fails its checksums is noted. */
  private async read({ name }: StoredObject): Promise<Buffer | "damaged" | undefined> {
    this.options.signal?.throwIfAborted();
    const bytes = await getIfThere(this.source, name, this.options.signal);
    if (!bytes) return undefined;
    const wrong = this.wrongIn(name, bytes);
    if (wrong === undefined) return bytes;
    this.note(name, wrong);
    return "damaged";
  }

  /** What is wrong with the stored bytes of an object; undefined if nothing is. */
  wrongIn(name: string, bytes: Buffer): string | undefined {
    try {
      this.isSound(name, bytes);
      return undefined;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return error instanceof UnusableObject ? error.what : messageOf(error);
    }
  }

  private async put(
    { name, size }: StoredObject,
    bytes: Buffer | "damaged" | undefined,
  ): Promise<Outcome> {
    if (bytes === undefined) return "vanished";
    if (bytes === "damaged") return "passed";
    try {
      await this.target.put(name, bytes, this.options.signal);
    } catch (error) {
      if (failureOf(error) !== "exists") throw error;
      // Another process copies too.
      await this.compareOne(name, bytes);
      return "passed";
    }
    this.there.set(name, size);
    this.findings.delete(name);
    if (this.options.check) await this.compareOne(name, bytes);
    return "copied";
  }

  /** Compares what both have, once, byte by byte. */
  private async compare(listing: ReadonlyMap<string, number>): Promise<void> {
    const both = [...listing].filter(
      ([name, size]) => this.there.get(name) === size && !this.compared.has(name),
    );
    const comparing = severalAtOnce(both, copiedAtOnce, ([name, size]) =>
      this.room.during(2 * size, async () => {
        this.options.signal?.throwIfAborted();
        const bytes = await getIfThere(this.source, name);
        if (bytes) await this.compareOne(name, bytes);
        this.compared.add(name);
      }),
    );
    for await (const _ of comparing) continue;
  }

  private async compareOne(name: string, bytes: Buffer): Promise<void> {
    const there = await getIfThere(this.target, name, this.options.signal);
    this.there.set(name, there?.length ?? bytes.length);
    if (there?.equals(bytes)) return;
    const [own, other] = [this.wrongIn(name, bytes), there && this.wrongIn(name, there)];
    if (other !== undefined) this.note(name, `at the target: ${other}`);
    else if (own !== undefined) this.note(name, `at the source: ${own}`);
    else if (there && isDecisive(name)) throw parted(this.source, this.target, name);
    else this.note(name, "it is another object at the source than at the target");
  }

  private note(object: string, what: string): void {
    this.findings.set(object, { object, what });
  }
}

/**
 * Everything of the repository in a store but signals: bytes by name. Not what a probe has left, and not a repository
 * that lies in this one: a copy in there would be copied into itself, and so on.
 */
export async function listed(
  store: ObjectStore,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, size } of store.list("", signal ? { signal } : {})) {
    if (!isSignal(name) && !name.startsWith(probesPrefix)) sizes.set(name, size);
  }
  const inner = [...sizes.keys()].filter((name) => inLane(name).own.endsWith(`/${repositoryName}`));
  for (const nested of inner.map((name) => name.slice(0, -repositoryName.length))) {
    for (const name of sizes.keys()) if (name.startsWith(nested)) sizes.delete(name);
  }
  return sizes;
}

export function amountOf(objects: Iterable<StoredObject>): Amount {
  const sum: Amount = { objects: 0, bytes: 0 };
  for (const { size } of objects) {
    sum.objects += 1;
    sum.bytes += size;
  }
  return sum;
}
