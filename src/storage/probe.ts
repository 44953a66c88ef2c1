/**
 * Finds out what a store can do, by trying it. A store may accept a condition and ignore it, or keep it for one caller
 * at a time only; neither shows before two processes take each other's place. So each promise of the seam is tried, the
 * one that matters most by many callers at once.
 *
 * Invariant: the probe touches nothing but objects below probes/ under names of its own. Nothing else reads these.
 */
import { randomUUID } from "node:crypto";
import { type Clock, systemClock } from "../clock.js";
import { cleared, messageOf, ThinkbackError } from "../errors.js";
import { severalAtOnce } from "../several-at-once.js";
import { failureOf, type ObjectStore, StoreError } from "./object-store.js";
import { raceFor } from "./probe-race.js";

/** The names of all objects of probes begin with this. */
export const probesPrefix = "probes/";

export type CheckName =
  | "create"
  | "create again"
  | "race"
  | "read"
  | "list"
  | "range"
  | "size"
  | "overwrite"
  | "delete"
  | "clock";

export interface Check {
  check: CheckName;
  /** `noted`: neither good nor bad by itself, but an operator should know it. */
  outcome: "passed" | "failed" | "noted" | "skipped";
  /** What was found, or why it was not tried. */
  text: string;
  /** What to do about it. */
  hint?: string;
}

export interface ProbeResult {
  checks: Check[];
  /** False if the store does not refuse a second object under a taken name, or does so only most of the time. */
  isConditional: boolean | undefined;
}

export interface ProbeOptions {
  clock: Clock;
  /** Makes another store at the same place, with connections of its own. */
  another: () => ObjectStore;
  /** How many callers race for one name, and how often. */
  racers: number;
  rounds: number;
  /** Ask only for what a capture cannot do without: creating, creating again, reading, and a race. */
  short?: boolean;
  /** Write nothing. */
  readOnly?: boolean;
}

/** What the full probe tries; more rounds would find rarer faults. */
export const fullProbe = { racers: 16, rounds: 20 };
/** So many rounds are under way at once: a bucket may take one write to a name a second, and many want to write it. */
const roundsAtOnce = 4;
/** What a capture tries when it begins. */
const shortProbe = { racers: 16, rounds: 1, short: true };

/** By how much the clocks of store and process may differ: beyond that, stores refuse signed requests. */
const clockMsMax = 300_000;

const conditionalHint =
  "use another store, or another version of this one. If only one process ever writes to it, give `run --single-writer`";

/** Tries the store. Throws what a store throws that is full, forbidden or away: then nothing can be said of it. */
export async function probe(store: ObjectStore, options: ProbeOptions): Promise<ProbeResult> {
  const running = new Probe(store, options);
  await cleared(
    () => running.run(),
    () => running.cleanUp(),
  );
  return running.result;
}

/** True of the services whose behaviour is known: AWS, Google and Microsoft. */
export function isKnownService({ chargesRequests, mayOverwrite }: ObjectStore): boolean {
  return chargesRequests === true && mayOverwrite !== true;
}

/**
 * Tries what a capture cannot do without, unless the service is known. Undefined if the store is full: then nothing can
 * be said of it, and it may still hold a repository whose capture has a spool.
 * @param another makes a store at the place, with connections of its own
 */
export async function probeAtStart(
  another: () => ObjectStore,
  clock: Clock,
): Promise<ProbeResult | undefined> {
  const store = another();
  if (isKnownService(store)) return { checks: [], isConditional: true };
  try {
    return await probe(store, { ...shortProbe, clock, another });
  } catch (error) {
    if (failureOf(error) !== "full") throw error;
    return undefined;
  }
}

class Probe {
  private readonly prefix = `${probesPrefix}${randomUUID()}/`;
  private readonly checks: Check[] = [];
  private readonly made = new Set<string>();
  private isConditional: boolean | undefined;
  private mayDelete = true;

  constructor(
    private readonly store: ObjectStore,
    private readonly options: ProbeOptions,
  ) {}

  get result(): ProbeResult {
    const { checks, isConditional } = this;
    return { checks, isConditional };
  }

  async run(): Promise<void> {
    if (this.options.readOnly) {
      await this.readOnly();
      return;
    }
    const first = `${this.prefix}first`;
    const bytes = Buffer.from("written to see what this store can do\n");
    await this.put(this.store, first, bytes);
    this.say("create", "passed", "a new object is taken");
    await this.createAgain(first, await this.read(first, bytes));
    if (this.isConditional) await this.race();
    else this.say("race", "skipped", "one caller alone was not refused already");
    if (this.options.short) return;
    await this.list(first, bytes);
    await this.range(first, bytes);
    await this.size(first, bytes);
    await this.clock();
    await this.overwrite(first);
    await this.tryDelete(first);
  }

  /** Deletes what was made, where that is permitted. */
  async cleanUp(): Promise<void> {
    if (!this.mayDelete) return;
    for (const name of this.made) {
      try {
        await this.store.delete(name);
      } catch (error) {
        // What stays is read by nobody.
        if (!(error instanceof StoreError)) throw error;
        return;
      }
    }
  }

  private say(check: CheckName, outcome: Check["outcome"], text: string, hint?: string): void {
    this.checks.push({ check, outcome, text, ...(hint === undefined ? {} : { hint }) });
  }

  private async put(store: ObjectStore, name: string, bytes: Buffer): Promise<void> {
    this.made.add(name);
    await store.put(name, bytes);
  }

  private async readOnly(): Promise<void> {
    let listed = 0;
    for await (const { name, size } of this.store.list("")) {
      listed += 1;
      if (size === 0) continue;
      const [head, tail] = [
        await this.store.get(name, { start: 0, end: 1 }),
        await this.store.tail(name, 1),
      ];
      const isRight = head.length === 1 && tail.size === size && tail.bytes.length === 1;
      if (isRight) this.say("range", "passed", `parts of ${name} are read`);
      else this.fail("range", `parts of ${name} are not what was asked for`);
      break;
    }
    if (listed > 0) this.say("list", "passed", "objects are listed");
    else this.say("list", "skipped", "the store is empty");
    for (const check of ["create", "create again", "race", "overwrite", "delete"] as const) {
      this.say(check, "skipped", "it would write, and --read-only is given");
    }
  }

  private fail(check: CheckName, text: string, hint?: string): void {
    this.say(
      check,
      "failed",
      text,
      hint ?? "a repository cannot rely on this store: use another one, or another version of it",
    );
  }

  private async createAgain(name: string, before: Buffer): Promise<void> {
    const check = "create again";
    try {
      await this.store.put(name, Buffer.from("this must be refused\n"));
      this.isConditional = false;
      this.fail(check, "a second object under a taken name is not refused", conditionalHint);
    } catch (error) {
      const failure = failureOf(error);
      if (failure !== "exists" && failure !== "unsupported") throw error;
      this.isConditional = failure === "exists";
      if (failure === "unsupported") this.fail(check, messageOf(error), conditionalHint);
    }
    if (!this.isConditional) return;
    const kept = await this.store.get(name);
    if (kept.equals(before)) {
      this.say(check, "passed", "a second object under a taken name is refused");
      return;
    }
    this.isConditional = false;
    this.fail(check, "a second object under a taken name is refused, but stored", conditionalHint);
  }

  /**
   * Many callers create one name at once, over connections of their own. Exactly one may succeed. A round in which the
   * store put a caller off is open and proves nothing, unless too many have succeeded; half of all must not be open.
   */
  private async race(): Promise<void> {
    const { another, racers } = this.options;
    const rounds = Array.from({ length: this.options.rounds }, (_, i) => i + 1);
    const stores = Array.from({ length: racers }, another);
    const open: unknown[] = [];
    const race = (round: number) => {
      const name = `${this.prefix}race-${round}`;
      this.made.add(name);
      return raceFor(name, round, stores);
    };
    for await (const found of severalAtOnce(rounds, roundsAtOnce, race)) {
      if ("open" in found) open.push(found.open);
      else if (this.isConditional && found.wrong !== undefined) {
        this.isConditional = false;
        this.fail("race", found.wrong, conditionalHint);
      }
    }
    if (!this.isConditional) return;
    if (2 * open.length > rounds.length) throw open[0];
    const decided = rounds.length - open.length;
    const times = decided === 1 ? "once" : `${decided} times`;
    const left = open.length === 0 ? "" : `; ${open.length} more were left open by the store`;
    this.say(
      "race",
      "passed",
      `of ${racers} callers exactly one created an object, ${times}${left}`,
    );
  }

  /** Returns what is read of the object. */
  private async read(name: string, bytes: Buffer): Promise<Buffer> {
    const read = await this.store.get(name);
    if (read.equals(bytes)) {
      this.say("read", "passed", "an object is read as soon as it is stored");
    } else this.fail("read", "an object that was just stored has other bytes when it is read");
    return read;
  }

  private async list(name: string, { length }: Buffer): Promise<void> {
    const found: number[] = [];
    for await (const object of this.store.list(this.prefix)) {
      if (object.name === name) found.push(object.size);
    }
    if (found.length !== 1) this.fail("list", "an object that was just stored is not listed");
    else if (this.isConditional && found[0] !== length) this.fail("list", "it lists a wrong size");
    else this.say("list", "passed", "an object is listed as soon as it is stored");
  }

  private async range(name: string, bytes: Buffer): Promise<void> {
    if (this.isConditional === false) {
      this.say("range", "skipped", "the object was overwritten");
      return;
    }
    const part = await this.store.get(name, { start: 3, end: 9 });
    const tail = await this.store.tail(name, 5);
    const isRight =
      part.equals(bytes.subarray(3, 9)) &&
      tail.bytes.equals(bytes.subarray(-5)) &&
      tail.size === bytes.length;
    if (isRight) this.say("range", "passed", "a part and the end of an object are read");
    else this.fail("range", "a part or the end of an object is not what was asked for");
  }

  private async size(name: string, { length }: Buffer): Promise<void> {
    const there = await this.store.size(name);
    const missing = await this.store.size(`${this.prefix}missing`);
    const isRight = missing === undefined && (there === length || this.isConditional === false);
    if (isRight) this.say("size", "passed", "sizes are right, and what is missing has none");
    else this.fail("size", `the size of an object is ${there}, and of a missing one ${missing}`);
  }

  private async clock(): Promise<void> {
    const { store } = this;
    if (!store.storedAt) {
      this.say("clock", "skipped", "the store does not tell when an object was stored");
      return;
    }
    const name = `${this.prefix}clock`;
    const { clock } = this.options;
    const began = clock.now();
    await this.put(store, name, Buffer.from("what time is it?\n"));
    const ended = clock.now();
    const at = await store.storedAt(name);
    if (at === undefined) {
      this.fail("clock", "an object that was just stored has no time");
      return;
    }
    // Stores may tell whole seconds only.
    const skewMs = at > ended ? at - ended : Math.min(0, at + 1000 - began);
    const text = `the store's clock is ${skewMs === 0 ? "like" : `${(skewMs / 1000).toFixed(1)} s off`} this machine's`;
    if (Math.abs(skewMs) <= clockMsMax) this.say("clock", "passed", text);
    else this.fail("clock", text, "set this machine's clock right: stores refuse such requests");
  }

  private async overwrite(name: string): Promise<void> {
    const { store } = this;
    if (!store.replace) {
      this.say("overwrite", "skipped", "there is no way to overwrite an object of this store");
      return;
    }
    try {
      await store.replace(name, Buffer.from("overwritten\n"));
      this.say(
        "overwrite",
        "noted",
        "these credentials can overwrite objects: a thief of them can too",
        "where the store can, let its policy demand that objects are only created, or turn versions on",
      );
    } catch (error) {
      const failure = failureOf(error);
      if (failure === "forbidden")
        this.say("overwrite", "passed", "these credentials cannot overwrite");
      else if (failure === "unsupported") this.say("overwrite", "skipped", messageOf(error));
      else throw error;
    }
  }

  private async tryDelete(name: string): Promise<void> {
    try {
      await this.store.delete(name);
      this.made.delete(name);
      const isGone = (await this.store.size(name)) === undefined;
      this.say(
        "delete",
        "noted",
        isGone
          ? "these credentials can delete objects: a thief of them can too"
          : "a deleted object stays: the store keeps it",
        isGone
          ? "for a capture that must not delete, use others, and `run --no-fold`; let `maintain` run elsewhere"
          : "nothing; but what expires is not freed before the store lets it go",
      );
    } catch (error) {
      if (failureOf(error) !== "forbidden") throw error;
      this.mayDelete = false;
      this.say("delete", "passed", `these credentials cannot delete; ${this.prefix} stays`);
    }
  }
}

/** Throws unless the store is one that several processes can write to. */
export function refuseUnconditional(location: string, found: ProbeResult | undefined): void {
  if (found?.isConditional !== false) return;
  const failed = found.checks.find(({ outcome }) => outcome === "failed")!;
  throw new ThinkbackError(
    "repository",
    `${location} cannot hold a repository that more than one process may write to: ${failed.text}`,
    { hint: conditionalHint },
  );
}

/**
 * Throws if the store does not take objects. So a store that is needed only when something else fails is found unusable
 * early. A full store passes: objects that it holds may still have to be read.
 */
export async function refuseUnusable(store: ObjectStore): Promise<void> {
  const name = `${probesPrefix}${randomUUID()}`;
  try {
    await store.put(name, Buffer.from("written to see whether it can be\n"));
    await store.delete(name);
  } catch (error) {
    if (failureOf(error) !== "full") throw error;
  }
}

/**
 * Throws unless a place that may let puts overwrite keeps the promise of `put`. It is asked once, before a repository
 * is made there: some 400 requests.
 */
export async function refuseOverwriting(store: ObjectStore): Promise<void> {
  const options = { ...fullProbe, short: true, clock: systemClock, another: () => store };
  refuseUnconditional(store.location, await probe(store, options));
}
