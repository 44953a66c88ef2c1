/**
 * Several processes carry out recoveries over a bad network to the store, are killed, stand still, and come back. What
 * holds: each request comes to one end; no two commands of one recovery act beside each other; nothing is done twice.
 */
import { expect, test } from "vitest";
import type { CommandOptions, Commands } from "../../src/commands.js";
import { localWaker } from "../../src/coordination/wake.js";
import { ThinkbackError } from "../../src/errors.js";
import type { Owner } from "../../src/owner.js";
import { isOver } from "../../src/recoveries/changes.js";
import { putEvent } from "../../src/recoveries/events.js";
import {
  approve,
  cancel,
  confirm,
  createRecovery,
  eventsOf,
  listRecoveries,
  type RecoveryEvent,
} from "../../src/recoveries/recoveries.js";
import { RecoveryWorker } from "../../src/recoveries/worker.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { Random } from "../simulated/random.js";
import { HostileStore, StoreWeather } from "../storage/hostile-store.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { VirtualTime } from "./virtual-time.js";

/** As tell-progress.ts has it: after so long without a word of its parent a command ends, within so long. */
const heedMsTrue = 15_000;
const endMs = 10_000;
const stepMs = 500;
const steps = 120;

interface Child {
  recovery: string;
  number: number;
}

/** What all commands have done, which outlives every process. */
class Work {
  /** Steps that are done, by the target's name, by which the world tells the recoveries apart. */
  readonly done = new Map<string, number>();
  readonly finished = new Map<string, number>();
  /** The child that acted last. */
  private readonly acting = new Map<string, Child>();
  private children = 0;
  /** Commands that acted beside others. */
  readonly beside: string[] = [];

  begin(recovery: string): Child {
    this.children += 1;
    return { recovery, number: this.children };
  }

  /** Notes it if another command of the recovery, which was begun later, has acted already. */
  act(child: Child): void {
    const last = this.acting.get(child.recovery);
    if (last && last.number > child.number) {
      this.beside.push(`command ${child.number} acts beside ${last.number} of ${child.recovery}`);
      return;
    }
    this.acting.set(child.recovery, child);
    this.done.set(child.recovery, Math.min(steps, (this.done.get(child.recovery) ?? 0) + 1));
  }
}

/** Commands as processes of a machine: one whose parent is dead or stands still ends by itself. */
class SimulatedCommands implements Commands {
  constructor(
    private readonly life: ProcessLife,
    private readonly work: Work,
    private readonly random: Random,
    private readonly broken: Set<string>,
    private readonly heedMs: number,
  ) {}

  run(args: readonly string[], options: CommandOptions): Promise<object> {
    const name = options.environment!["NAME"]!;
    const isDry = args.includes("--dry-run");
    return new Promise((resolve, reject) => {
      const answer = (end: () => void) => this.life.happen(end);
      const settle = (settled: Promise<object>) =>
        settled.then(
          (result) => answer(() => resolve(result)),
          (error: unknown) => answer(() => reject(error as Error)),
        );
      void settle(isDry ? this.plan() : this.carryOut(name, options));
    });
  }

  private async plan(): Promise<object> {
    await this.sleep(this.random.below(4000));
    if (this.random.below(6) === 0) throw new ThinkbackError("repository", "simulated");
    return { at: "2026-11-28T10:00:00.000+00:00" };
  }

  private async carryOut(name: string, options: CommandOptions): Promise<object> {
    const { work } = this;
    if (options.endingBefore && work.finished.has(name)) return { already: true };
    const child = work.begin(name);
    let stopsAt = Number.POSITIVE_INFINITY;
    let frozenSince: number | undefined;
    const isEnded = () => {
      const now = this.life.time.nowMs;
      frozenSince = this.life.frozen ? (frozenSince ?? now) : undefined;
      const isLost = frozenSince !== undefined && now - frozenSince >= this.heedMs;
      const isAsked = options.stop!.aborted || options.signal.aborted || this.life.dead || isLost;
      // What is under way is ended first.
      if (isAsked) stopsAt = Math.min(stopsAt, now + this.random.below(endMs));
      return now >= stopsAt || (options.signal.aborted && !this.life.frozen);
    };
    const stopped = () => new ThinkbackError("incomplete", `${name} was stopped`);
    while ((work.done.get(name) ?? 0) < steps) {
      await this.sleep(stepMs);
      if (isEnded()) throw stopped();
      if (this.broken.has(name)) throw new ThinkbackError("target", "simulated");
      work.act(child);
      const share = work.done.get(name)! / steps;
      options.onProgress?.({ share, text: `${share}` });
    }
    let mayGoOn = false;
    void options.onEnding!({ name }).then(
      () => (mayGoOn = true),
      () => (stopsAt = 0),
    );
    while (!mayGoOn) {
      await this.sleep(stepMs);
      if (isEnded()) throw stopped();
    }
    work.act(child);
    work.finished.set(name, (work.finished.get(name) ?? 0) + 1);
    return { name };
  }

  /** Of the child itself, which runs on while its parent stands still. */
  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.life.time.after(ms, resolve));
  }
}

class World {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore();
  readonly weather = new StoreWeather();
  readonly work = new Work();
  readonly broken = new Set<string>();
  /** What the workers have told. */
  readonly ended: RecoveryEvent[] = [];
  readonly left: string[] = [];
  readonly random: Random;
  readonly lives: ProcessLife[] = [];
  private processes = 0;
  readonly clock: SimulatedClock;

  constructor(
    seed: number,
    private readonly heedMs = heedMsTrue,
  ) {
    this.random = new Random(seed);
    this.clock = new SimulatedClock(new ProcessLife(this.time), new WallClock(this.time));
  }

  start(names: readonly string[], charges = false): AbortController {
    const life = new ProcessLife(this.time);
    const clock = new SimulatedClock(life, new WallClock(this.time));
    this.processes += 1;
    const unique = `w${this.processes}`;
    const owner: Owner = { host: unique, process: 1, space: unique, isAlive: () => true };
    const hostile: ObjectStore = new HostileStore(this.store, life, this.weather, this.random);
    const worker = new RecoveryWorker({
      store: hostile,
      clock,
      commands: new SimulatedCommands(life, this.work, this.random, this.broken, this.heedMs),
      waker: localWaker(),
      owner,
      unique,
      targets: new Map(names.map((name) => [name, { NAME: name }])),
      pollMs: charges ? 70_000 : 2000,
      tellMs: charges ? 10_000 : 2000,
      observer: {
        begins: () => {},
        ended: (event) => void this.ended.push(event),
        left: (id) => void this.left.push(id),
        fails: () => {},
      },
    });
    const ended = new AbortController();
    void worker.run(ended.signal);
    this.lives.push(life);
    return ended;
  }

  request(name: string, more: { confirm?: boolean; needsApproval?: boolean } = {}) {
    const args = ["--beside", `--target=${name}`];
    return createRecovery(this.store, this.clock, {
      command: "restore",
      args,
      by: alice,
      idempotencyKey: name,
      ...more,
    });
  }

  /** Lets time pass, with what may happen to processes in it. */
  async live(ms: number, names: readonly string[]): Promise<void> {
    const until = this.time.nowMs + ms;
    while (this.time.nowMs < until) {
      await this.time.runUntil(this.time.nowMs + this.random.below(8000));
      const life = this.lives[this.random.below(this.lives.length)]!;
      switch (this.random.below(12)) {
        case 0:
          life.kill();
          this.start(names, this.random.below(2) === 0);
          break;
        case 1:
        case 2:
          life.freeze();
          break;
        case 3:
          for (const one of this.lives) one.thaw();
          break;
        case 4:
          this.weather.failsUntilMs = this.time.nowMs + this.random.below(25_000);
          break;
      }
    }
    for (const one of this.lives) one.thaw();
    Object.assign(this.weather, { failing: 0, losingReplies: 0, hanging: 0, failsUntilMs: 0 });
  }

  async events(id: string): Promise<RecoveryEvent[]> {
    const events = await eventsOf(this.store, id, 0);
    expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i + 1));
    return events;
  }
}

const names = ["one", "two", "three"];

const alice = { name: "alice", via: "api" } as const;
const bob = { name: "bob", via: "api" } as const;

/** A long time of several processes; throws if anything is not as it should be. Returns the last states. */
async function simulate(seed: number, heedMs?: number): Promise<string[]> {
  const world = new World(seed, heedMs);
  Object.assign(world.weather, { failing: 0.03, losingReplies: 0.02, hanging: 0.005 });
  const ids = new Map<string, string>();
  const both = { confirm: true, needsApproval: true };
  for (const name of names) {
    ids.set(name, (await world.request(name, name === "two" ? both : {})).id);
  }
  world.start(names);
  world.start(names, true);
  await world.live(60_000, names);
  const [one, two, three] = [ids.get("one")!, ids.get("two")!, ids.get("three")!];
  if (seed % 4 === 0) await cancel(world.store, world.clock, three, bob).catch(() => undefined);
  await world.live(60_000, names);
  const isWaiting = (await world.events(two)).at(-1)!.state === "waiting";
  if (isWaiting) {
    const consents = [
      () => approve(world.store, world.clock, two, bob),
      () => confirm(world.store, world.clock, two, alice),
    ];
    if (seed % 2 === 0) consents.reverse();
    await consents[0]!();
    await world.live(20_000, names);
    expect(world.work.done.has("two")).toBe(false);
    await consents[1]!();
  }
  await world.live(120_000, names);
  const isSettled = async () => {
    const { recoveries: all } = await listRecoveries(world.store);
    return all.every(({ state }) => isOver(state) || state === "parked" || state === "waiting");
  };
  for (let i = 0; i < 90 && !(await isSettled()); i += 1) {
    await world.time.runUntil(world.time.nowMs + 20_000);
  }
  for (const id of [one, two, three]) {
    const events = await world.events(id);
    const states = events.map(({ state }) => state);
    expect(["done", "parked", "cancelled", "waiting"], states.join()).toContain(states.at(-1));
    expect(states.filter((state) => state === "done").length).toBeLessThan(2);
    if (id === two && states.includes("running")) {
      expect(states.indexOf("running")).toBeGreaterThan(states.lastIndexOf("waiting"));
      expect(events.at(-1)).toMatchObject({ confirmedBy: alice, approvedBy: bob });
    }
  }
  for (const [name, count] of world.work.finished) expect([name, count]).toEqual([name, 1]);
  for (const recovery of (await listRecoveries(world.store)).recoveries) {
    const name = recovery.args[1]!.slice("--target=".length);
    if (recovery.state === "done") expect(world.work.done.get(name)).toBe(steps);
  }
  if (world.work.beside.length > 0) throw new Error(world.work.beside.join("; "));
  return (await listRecoveries(world.store)).recoveries.map(
    ({ state, attempt, confirmedBy }) => `${state} ${attempt}${confirmedBy ? ", confirmed" : ""}`,
  );
}

const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

test("whatever happens to the processes, each recovery comes to one end, and nothing is done twice", async () => {
  const ends = new Set<string>();
  for (const seed of seeds) {
    for (const end of await simulate(seed).catch((error: unknown) => fail(seed, error)))
      ends.add(end);
  }
  // What the test is about has happened: some were done at once, others after several attempts.
  expect([...ends]).toEqual(expect.arrayContaining(["done 1", "done 2", "done 3", "parked 3"]));
  expect([...ends].some((end) => end.startsWith("cancelled"))).toBe(true);
  expect([...ends]).toContain("done 1, confirmed");
});

function fail(seed: number, cause: unknown): never {
  throw new Error(`seed ${seed}: ${String(cause)}`, { cause });
}

test("the simulation finds commands that do not heed that their process stands still", async () => {
  const found: string[] = [];
  for (const seed of seeds) {
    await simulate(seed, Number.POSITIVE_INFINITY).catch((error: unknown) =>
      found.push(String(error)),
    );
  }
  expect(found.filter((text) => text.includes("acts beside")).length).toBeGreaterThan(0);
});

test("a command that always fails is parked after three attempts", async () => {
  const world = new World(1);
  const { id } = await world.request("one");
  world.broken.add("one");
  world.start(names);
  await world.time.runUntil(120_000);
  const events = await world.events(id);
  expect(events.at(-1)).toMatchObject({ state: "parked", attempt: 3, error: { code: "target" } });
  expect(events.filter(({ error }) => error)).toHaveLength(3);
  await world.time.runUntil(400_000);
  expect(await world.events(id)).toEqual(events);
});

test("a recovery whose processes are killed three times is parked", async () => {
  const world = new World(1);
  const { id } = await world.request("one");
  world.start(names);
  for (let killed = 0; killed < 3; killed += 1) {
    const isRunning = async () => {
      const last = (await world.events(id)).at(-1)!;
      return last.state === "running" && last.attempt === killed + 1;
    };
    for (let i = 0; i < 200 && !(await isRunning()); i += 1) {
      await world.time.runUntil(world.time.nowMs + 500);
    }
    expect(await isRunning()).toBe(true);
    world.lives.at(-1)!.kill();
    world.start(names);
  }
  await world.time.runUntil(world.time.nowMs + 120_000);
  const last = (await world.events(id)).at(-1);
  expect(last).toMatchObject({ state: "parked", error: { code: "incomplete" } });
  // Whoever has parked it says so.
  expect(world.ended).toEqual([expect.objectContaining({ state: "planned", number: 3 }), last]);
});

test("a process that ends in order leaves its recovery to another one, and costs no attempt", async () => {
  const world = new World(1);
  const { id } = await world.request("one");
  for (let ended = 0; ended < 5; ended += 1) {
    const end = world.start(names);
    await world.time.runUntil(world.time.nowMs + 8000);
    end.abort(new Error("it is to end"));
    await world.time.runUntil(world.time.nowMs + 15_000);
    const last = (await world.events(id)).at(-1)!;
    expect(last.worker).toBeUndefined();
  }
  world.start(names);
  await world.time.runUntil(world.time.nowMs + 60_000);
  expect((await world.events(id)).at(-1)).toMatchObject({ state: "done", attempt: 1 });
});

test("another process ends what was cancelled and whose process was killed before it said so", async () => {
  const world = new World(1);
  const { id } = await world.request("one");
  world.start(names);
  const last = async () => (await world.events(id)).at(-1)!;
  for (let i = 0; i < 200 && (await last()).state !== "running"; i += 1) {
    await world.time.runUntil(world.time.nowMs + 500);
  }
  world.lives.at(-1)!.kill();
  expect(await cancel(world.store, world.clock, id, bob)).toMatchObject({
    worker: { unique: "w1" },
  });
  world.start(names);
  world.start(names);
  await world.time.runUntil(world.time.nowMs + 30_000);
  expect((await last()).worker).toBeDefined();
  await world.time.runUntil(world.time.nowMs + 60_000);
  const ended = await last();
  expect(ended).toMatchObject({ state: "cancelled", error: { code: "incomplete" } });
  expect(ended.worker).toBeUndefined();
  expect(world.work.finished.has("one")).toBe(false);
});

test("a damaged first event keeps no other recovery waiting", async () => {
  const world = new World(1);
  const [{ id }, end] = [await world.request("one"), world.start(names)];
  await world.time.runUntil(4000);
  end.abort(new Error("it is to end"));
  await world.time.runUntil(world.time.nowMs + 15_000);
  expect((await world.events(id)).length).toBeGreaterThan(1);
  const name = `recoveries/${id}-0000000001.json`;
  await world.store.delete(name);
  await world.store.put(name, Buffer.from("{}"));
  const { id: second } = await world.request("two");
  world.start(names);
  await world.time.runUntil(world.time.nowMs + 120_000);
  expect((await world.events(second)).at(-1)).toMatchObject({ state: "done" });
});

test("a recovery of a target that no process knows waits", async () => {
  const world = new World(1);
  const { id } = await world.request("elsewhere");
  world.start(names);
  await world.time.runUntil(60_000);
  expect(await world.events(id)).toHaveLength(1);
});

test("a plan that nobody has confirmed is not carried out, though its state says otherwise", async () => {
  const world = new World(1);
  const { id } = await world.request("one", { confirm: true });
  const end = world.start(names);
  await world.time.runUntil(15_000);
  const events = await world.events(id);
  const last = events.at(-1)!;
  expect(last).toMatchObject({ state: "waiting", waitsFor: ["confirmation"] });
  end.abort(new Error("it is to end"));
  const { plan: _, waitsFor: __, ...rest } = last;
  const forged = {
    ...rest,
    number: last.number + 1,
    state: "planned",
    planIn: last.number,
  } as const;
  expect(await putEvent(world.store, forged)).toBe(true);
  world.start(names);
  await world.time.runUntil(world.time.nowMs + 60_000);
  expect(await world.events(id)).toEqual([...events, forged]);
  expect(world.work.done.has("one")).toBe(false);
  const agreed = { ...forged, number: forged.number + 1, confirmedBy: alice };
  expect(await putEvent(world.store, agreed)).toBe(true);
  await world.time.runUntil(world.time.nowMs + 120_000);
  expect((await world.events(id)).at(-1)).toMatchObject({ state: "done" });
});

test("a worker keeps nothing of recoveries that are not stored any more", async () => {
  const world = new World(1);
  world.start([]);
  for (let round = 1; round <= 2; round += 1) {
    // By its key it has the same id each time.
    const { id } = await world.request("one");
    await world.time.runUntil(world.time.nowMs + 20_000);
    expect(world.left).toEqual(Array.from({ length: round }, () => id));
    await world.store.delete(`recoveries/${id}-0000000001.json`);
    await world.time.runUntil(world.time.nowMs + 20_000);
  }
});
