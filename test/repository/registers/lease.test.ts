import { describe, expect, test } from "vitest";
import { damaged } from "../../../src/errors.js";
import type { Owner } from "../../../src/owner.js";
import { Lease, withLease } from "../../../src/repository/registers/lease.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject } from "../../../src/storage/object-store.js";
import { Random } from "../../simulated/random.js";
import { overriding } from "../../simulation/overriding.js";
import { ProcessLife, SimulatedClock, WallClock } from "../../simulation/process-life.js";
import { VirtualTime } from "../../simulation/virtual-time.js";
import { HostileStore, StoreWeather } from "../../storage/hostile-store.js";
import { namesIn } from "../recording.js";

const [second, minute] = [1000, 60_000];
const nameOf = (number: number) => `leases/fold/${String(number).padStart(10, "0")}.json`;

let uniques = 0;
/** A text that no lease of this file has had. */
function fresh(): string {
  uniques += 1;
  return `u${uniques}`;
}

/** Machines in one virtual time, before one store. */
class Machines {
  readonly time = new VirtualTime();
  readonly store = new MemoryStore();
  private processes = 0;
  private readonly alive = new Map<string, ProcessLife>();

  /** A process on `host`, whose clock is `offsetMs` off. */
  process(host: string, offsetMs = 0) {
    this.processes += 1;
    const number = this.processes;
    const life = new ProcessLife(this.time);
    this.alive.set(`${host} ${number}`, life);
    const wall = new WallClock(this.time);
    wall.jump(offsetMs);
    const owner: Owner = {
      host,
      process: number,
      isAlive: (process) => this.alive.get(`${host} ${process}`)?.dead === false,
    };
    return { life, wall, clock: new SimulatedClock(life, wall), owner };
  }

  /** Lets time go by. */
  pass(ms: number): Promise<void> {
    return this.time.runUntil(this.time.nowMs + ms);
  }
}

type Process = ReturnType<Machines["process"]>;

const acquire = (store: ObjectStore, { clock, owner }: Process, unique = fresh()) =>
  Lease.acquire(store, clock, owner, unique);

const fenced = { code: "fenced" };
const never = () => new Promise<never>(() => undefined);

describe("the lease", () => {
  test("is stored as it is specified, by numbers that rise", async () => {
    const { time, store, process } = bound(new Machines());
    const lease = await acquire(store, process("db1"), "u0");
    await lease.renew();
    await lease.release();
    const text = async (number: number) => (await store.get(nameOf(number))).toString();
    const at = time.trueMs;
    const of = (number: number, released: boolean) =>
      `{"thinkback":"lease","version":1,"number":${number},"host":"db1","process":1,"space":"db1","unique":"u0",` +
      `"at":${at},"until":${at + 300_000},"released":${released}`;
    expect((await text(1)).slice(0, -80)).toBe(of(1, false));
    expect((await text(2)).slice(0, -80)).toBe(of(2, false));
    expect((await text(3)).slice(0, -80)).toBe(of(3, true));
    expect(await namesIn(store)).toHaveLength(3);
  });

  test("is refused while somebody holds it, with who and until when; free once it is given back", async () => {
    const { store, process } = bound(new Machines());
    const lease = await acquire(store, process("db1"));
    await expect(acquire(store, process("db2"))).rejects.toMatchObject({
      code: "fenced",
      message:
        "process 1 on db1 folds or expires in this repository; its lease is held until 2025-01-01T00:05:00.000+00:00",
      hint: expect.stringContaining("a minute after that time"),
    });
    await lease.release();
    await acquire(store, process("db2"));
  });

  test("lapses a minute after its time", async () => {
    const machines = new Machines();
    const { store, process, pass } = bound(machines);
    await acquire(store, process("db1"));
    await pass(6 * minute);
    await expect(acquire(store, process("db2"))).rejects.toMatchObject(fenced);
    await pass(1);
    await acquire(store, process("db2"));
    await expect(acquire(store, process("db3"))).rejects.toThrow(/process 3 on db2/);
  });

  test("of a process of the same host is free when that process is dead", async () => {
    const { store, process } = bound(new Machines());
    const holder = process("db1");
    await acquire(store, holder);
    await expect(acquire(store, process("db1"))).rejects.toMatchObject(fenced);
    holder.life.kill();
    await expect(acquire(store, process("db2"))).rejects.toMatchObject(fenced);
    await acquire(store, process("db1"));
  });

  test("of an earlier process with our own number is free; one that this process holds itself is not", async () => {
    const { store, process } = bound(new Machines());
    const holder = process("container");
    const lease = await acquire(store, holder);
    await expect(acquire(store, holder)).rejects.toMatchObject(fenced);
    lease.abandon();
    await acquire(store, holder);
  });

  test("is held by one of many that want it at once", async () => {
    const { store, process } = bound(new Machines());
    for (let round = 0; round < 5; round += 1) {
      const wanting = Array.from({ length: 20 }, (_, i) => acquire(store, process(`db${i}`)));
      const settled = await Promise.allSettled(wanting);
      const won = settled.filter((one) => one.status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const one of settled)
        if (one.status === "rejected") expect(one.reason).toMatchObject(fenced);
      await won[0]!.value.release();
    }
  });

  test("that lapsed goes to one of many", async () => {
    const { store, process, pass } = bound(new Machines());
    await acquire(store, process("gone"));
    await pass(10 * minute);
    const wanting = Array.from({ length: 20 }, (_, i) => acquire(store, process(`db${i}`)));
    const settled = await Promise.allSettled(wanting);
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("cannot be renewed once somebody has taken it, nor be released from under them", async () => {
    const { store, process, pass } = bound(new Machines());
    const lease = await acquire(store, process("db1"));
    await pass(7 * minute);
    await acquire(store, process("db2"));
    await expect(lease.renew()).rejects.toMatchObject({
      code: "fenced",
      message: "the lease to fold and expire was taken over by process 2 on db2",
    });
    await lease.release();
    await expect(acquire(store, process("db3"))).rejects.toThrow(/process 2 on db2/);
  });

  test("that lapsed and that nobody took can be renewed", async () => {
    const { store, process, pass } = bound(new Machines());
    const lease = await acquire(store, process("db1"));
    await pass(60 * minute);
    await lease.renew();
    expect(lease.leftMs()).toBe(5 * minute);
    await expect(acquire(store, process("db2"))).rejects.toMatchObject(fenced);
  });

  test("leaves the last ten numbers and deletes the others; where it may not, it goes on", async () => {
    const { store, process } = bound(new Machines());
    const lease = await acquire(store, process("db1"));
    for (let i = 0; i < 30; i += 1) await lease.renew();
    expect(await namesIn(store)).toEqual(Array.from({ length: 11 }, (_, i) => nameOf(21 + i)));
    const keeping = overriding(new MemoryStore(), {
      delete: () => Promise.reject(new Error("no permission")),
    });
    const other = await acquire(keeping, process("db1"));
    for (let i = 0; i < 30; i += 1) await other.renew();
    await other.release();
    expect(await namesIn(keeping)).toHaveLength(32);
  });

  test("is not taken under a number that is free because it is long past", async () => {
    const { store, process } = bound(new Machines());
    await (await acquire(store, process("db1"))).release();
    let put: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      put = resolve;
    });
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const slow = overriding(store, {
      put: async (name, bytes) => {
        put();
        await gate;
        return store.put(name, bytes);
      },
    });
    const late = acquire(slow, process("db2"));
    await reached;
    const holder = await acquire(store, process("db3"));
    for (let i = 0; i < 30; i += 1) await holder.renew();
    expect(await store.size(nameOf(3))).toBeUndefined();
    goOn();
    await expect(late).rejects.toThrow(/process 3 on db3/);
    await holder.renew();
  });

  test("is not taken by somebody whose listing is behind", async () => {
    const { store, process } = bound(new Machines());
    const lease = await acquire(store, process("db1"));
    async function* list(prefix: string): AsyncGenerator<StoredObject> {
      for await (const object of store.list(prefix)) if (object.name <= nameOf(2)) yield object;
    }
    await lease.renew();
    for (let i = 0; i < 8; i += 1) await lease.renew();
    const behind = overriding(store, { list });
    await expect(acquire(behind, process("db2"))).rejects.toThrow(/process 1 on db1/);
  });

  test("is renewed, and given back, where puts arrive and seem to fail", async () => {
    const { store, process } = bound(new Machines());
    let losing = true;
    const lossy = overriding(store, {
      put: async (name, bytes) => {
        await store.put(name, bytes);
        if (losing) throw new Error("no reply");
      },
    });
    const holder = process("db1");
    await expect(acquire(lossy, holder)).rejects.toThrow("no reply");
    losing = false;
    const lease = await acquire(lossy, holder);
    losing = true;
    await expect(lease.renew()).rejects.toThrow("no reply");
    await expect(lease.renew()).rejects.toThrow("no reply");
    losing = false;
    await lease.renew();
    losing = true;
    await expect(lease.renew()).rejects.toThrow("no reply");
    losing = false;
    await lease.release();
    await acquire(store, process("db2"));
  });

  test("is not taken again by a renewal that goes on after it was given back", async () => {
    const { store, process } = bound(new Machines());
    let isFirst = true;
    let goOn: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const stalling = overriding(store, {
      put: async (name, bytes) => {
        if (name === nameOf(2) && isFirst) {
          isFirst = false;
          await gate;
        }
        await store.put(name, bytes);
      },
    });
    const lease = await acquire(stalling, process("db1"));
    const renewing = lease.renew();
    await lease.release();
    goOn();
    await expect(renewing).rejects.toThrow("given back");
    await acquire(store, process("db2"));
  });

  test("is taken although the store's client puts it twice, as after a reply that was lost", async () => {
    const { store, process } = bound(new Machines());
    let isFirst = true;
    const trying = overriding(store, {
      put: async (name, bytes) => {
        if (isFirst) await store.put(name, bytes);
        isFirst = false;
        await store.put(name, bytes);
      },
    });
    const lease = await acquire(trying, process("db1"));
    expect(await namesIn(store)).toEqual([nameOf(1), nameOf(2)]);
    await lease.renew();
  });

  test("that is damaged is an error, and nobody's", async () => {
    const { store, process } = bound(new Machines());
    await store.put(nameOf(1), Buffer.from("{}"));
    await expect(acquire(store, process("db1"))).rejects.toMatchObject({ code: "damaged" });
  });
});

describe("work under the lease", () => {
  /** Work that ends after a time, or when it loses the lease. */
  const working = (process: Process, ms: number) => async (signal: AbortSignal) => {
    await process.clock.sleep(ms, signal);
    return "done";
  };
  const during = <T>(store: ObjectStore, { clock, owner }: Process, work: Work<T>) =>
    withLease(store, clock, owner, fresh(), work);

  test("keeps it for as long as it takes, and gives it back", async () => {
    const { store, process, pass } = bound(new Machines());
    const holder = process("db1");
    const work = during(store, holder, working(holder, 60 * minute));
    for (let i = 0; i < 59; i += 1) {
      await pass(minute);
      await expect(acquire(store, process("db2"))).rejects.toMatchObject(fenced);
    }
    await pass(2 * minute);
    expect(await work).toBe("done");
    await acquire(store, process("db2"));
  });

  test("that fails gives it back, and fails with its own error", async () => {
    const { store, process } = bound(new Machines());
    const failing = during(store, process("db1"), () => Promise.reject(new Error("mine")));
    await expect(failing).rejects.toThrow("mine");
    await acquire(store, process("db2"));
  });

  test("is not begun while somebody holds it", async () => {
    const { store, process } = bound(new Machines());
    await acquire(store, process("db1"));
    let began = false;
    const work = during(store, process("db2"), async () => {
      began = true;
    });
    await expect(work).rejects.toMatchObject(fenced);
    expect(began).toBe(false);
  });

  test("outlives a store that fails for less than its time", async () => {
    const { time, store, process, pass } = bound(new Machines());
    const weather = new StoreWeather();
    const holder = process("db1");
    const faulty = new HostileStore(store, holder.life, weather, new Random(1));
    const work = during(faulty, holder, working(holder, 30 * minute));
    await pass(90 * second);
    weather.failsUntilMs = time.nowMs + 4 * minute;
    await pass(40 * minute);
    expect(await work).toBe("done");
  });

  const unanswered = (store: ObjectStore, isSilent: () => boolean) =>
    overriding(store, {
      put: (name, bytes) => (isSilent() ? never() : store.put(name, bytes)),
    });

  test.each(["fails", "does not answer"])(
    "is stopped when its time is over, if the store %s for longer; not later, and not much earlier",
    async (how) => {
      const { time, store, process, pass } = bound(new Machines());
      const weather = new StoreWeather();
      const holder = process("db1");
      const faulty = new HostileStore(store, holder.life, weather, new Random(1));
      let isSilent = false;
      const used = how === "fails" ? faulty : unanswered(store, () => isSilent);
      let stoppedMs = 0;
      const work = during(used, holder, async (signal) => {
        await holder.clock.sleep(60 * minute, signal).catch(() => undefined);
        stoppedMs = time.nowMs;
        return "too late";
      });
      const ended = expect(work).rejects.toMatchObject({
        code: "fenced",
        message: "the lease to fold and expire lapsed before it was renewed",
        cause: expect.any(Error),
      });
      await pass(90 * second);
      isSilent = true;
      weather.failsUntilMs = time.nowMs + 60 * minute;
      await pass(60 * minute);
      await ended;
      // Renewed last at the end of the first minute, for five.
      expect(stoppedMs).toBeGreaterThan(6 * minute - second);
      expect(stoppedMs).toBeLessThan(6 * minute + second);
    },
  );

  test("that lapsed is the reason why the work failed, and not what others have deleted since", async () => {
    const { store, process, pass } = bound(new Machines());
    const holder = process("db1");
    const read = () => Promise.reject(damaged("folded/x", "it is missing"));
    const stood = during(store, holder, async () => {
      await holder.clock.sleep(minute);
      return read();
    });
    const ended = expect(stood).rejects.toMatchObject(fenced);
    await pass(30 * second);
    holder.life.freeze();
    await pass(20 * minute);
    holder.life.thaw();
    await pass(second);
    await ended;
    const inTime = expect(during(store, holder, read)).rejects.toMatchObject({ code: "damaged" });
    await pass(minute);
    await inTime;
  });

  test("of a process that was stopped ends when it goes on, and leaves the lease to who has it", async () => {
    const { store, process, pass } = bound(new Machines());
    const holder = process("db1");
    let asked: Promise<unknown> = Promise.resolve();
    const work = during(store, holder, async (signal, lease) => {
      await holder.clock.sleep(20 * minute, signal).catch(() => undefined);
      asked = lease.renew().catch((error: unknown) => error);
      await asked;
      return "too late";
    });
    const ended = expect(work).rejects.toMatchObject(fenced);
    await pass(30 * second);
    holder.life.freeze();
    await pass(10 * minute);
    const other = await acquire(store, process("db2"));
    holder.life.thaw();
    await pass(second);
    await ended;
    expect(await asked).toMatchObject({
      message: expect.stringContaining("taken over by process 2"),
    });
    await other.renew();
  });

  test("learns of a lease that was taken, at the next renewal", async () => {
    const { store, process, pass } = bound(new Machines());
    const holder = process("db1");
    const work = during(store, holder, working(holder, 20 * minute));
    const ended = expect(work).rejects.toMatchObject({ message: expect.stringContaining("taken") });
    await pass(30 * second);
    // As with two containers of one host name, of which each takes the other's process to be dead.
    const other = process("db1");
    other.owner.isAlive = () => false;
    await acquire(store, other);
    await pass(31 * second);
    await ended;
  });

  test.each([-60, 60])("ends in time where the clock is set by %i minutes", async (minutes) => {
    const { store, process, pass } = bound(new Machines());
    const holder = process("db1");
    let isSilent = false;
    const work = during(
      unanswered(store, () => isSilent),
      holder,
      working(holder, 60 * minute),
    );
    const ended = expect(work).rejects.toMatchObject(fenced);
    await pass(90 * second);
    isSilent = true;
    holder.wall.jump(minutes * minute);
    await pass(6 * minute);
    await ended;
  });
});

type Work<T> = (signal: AbortSignal, lease: Lease) => Promise<T>;

/** What the contest must find. */
interface Bug {
  plant?: (store: ObjectStore) => ObjectStore;
  /** The most that a clock is off. */
  clockMs?: number;
}

/** Processes that come, work, and die, each with a network to the store that fails now and then. */
class Contest {
  readonly machines = new Machines();
  /** Who works now; by process number. */
  private readonly at = new Set<number>();
  worked = 0;
  killed = 0;
  overlaps = 0;

  constructor(
    private readonly random: Random,
    private readonly bug: Bug = {},
  ) {}

  async run(hours: number): Promise<void> {
    for (let slot = 0; slot < 4; slot += 1) void this.inhabit(slot);
    await this.machines.pass(hours * 60 * minute);
  }

  /** One process after another in a place; two of four places share a host. Clocks are up to half a minute off. */
  private async inhabit(slot: number): Promise<void> {
    const { machines, random } = this;
    const { plant = (store: ObjectStore) => store, clockMs = 30 * second } = this.bug;
    const offsetMs = (random.next() - 0.5) * 2 * clockMs;
    const { life, clock, owner } = machines.process(`db${slot >> 1}`, offsetMs);
    const weather = new StoreWeather();
    Object.assign(weather, { failing: 0.03, losingReplies: 0.03, delayMsMax: 2000 });
    const store = plant(new HostileStore(machines.store, life, weather, random));
    life.onKilled(() => {
      this.at.delete(owner.process);
      machines.time.after(random.next() * 5 * minute, () => void this.inhabit(slot));
    });
    for (;;) {
      await clock.sleep(random.next() * 2 * minute);
      const work = withLease(store, clock, owner, fresh(), async (signal) => {
        if (this.at.size > 0) this.overlaps += 1;
        this.at.add(owner.process);
        if (random.next() < 0.2) {
          this.killed += 1;
          machines.time.after(random.next() * 10 * minute, () => life.kill());
        }
        if (random.next() < 0.2) {
          weather.failsUntilMs = machines.time.nowMs + random.next() * 15 * minute;
        }
        await clock.sleep(random.next() * 20 * minute, signal).finally(() => {
          this.at.delete(owner.process);
        });
        this.worked += 1;
      });
      await work.catch(() => undefined);
    }
  }
}

describe("processes that contend for the lease", () => {
  test.each([1, 2, 3, 4])("never work at the same time (seed %i)", async (seed) => {
    const contest = new Contest(new Random(seed));
    await contest.run(20);
    expect(contest.overlaps).toBe(0);
    expect(contest.worked).toBeGreaterThan(20);
    expect(contest.killed).toBeGreaterThan(2);
  });

  const overwriting = (store: ObjectStore) =>
    overriding(store, {
      put: async (name, bytes) => {
        await store.delete(name);
        await store.put(name, bytes);
      },
    });
  test.each<[string, Bug]>([
    ["a put overwrites", { plant: overwriting }],
    ["clocks differ by more than is allowed for", { clockMs: 10 * minute }],
  ])("are found to where %s", async (_, bug) => {
    let overlaps = 0;
    for (let seed = 1; seed <= 5 && overlaps === 0; seed += 1) {
      const contest = new Contest(new Random(seed), bug);
      await contest.run(20);
      overlaps += contest.overlaps;
    }
    expect(overlaps).toBeGreaterThan(0);
  });
});

/** The methods of an object, to be called without it. */
function bound(machines: Machines) {
  return {
    time: machines.time,
    store: machines.store,
    process: (host: string, offsetMs?: number) => machines.process(host, offsetMs),
    pass: (ms: number) => machines.pass(ms),
  };
}
