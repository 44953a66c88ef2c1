/** What it costs to look for requests, as docs/recoveries.md says it: a look lists everything under recoveries/. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Clock } from "../../src/clock.js";
import { localWaker } from "../../src/coordination/wake.js";
import { recoveriesPrefix } from "../../src/format/names.js";
import { createRecovery, readRecovery } from "../../src/recoveries/recoveries.js";
import { RecoveryWorker } from "../../src/recoveries/worker.js";
import { idlePaceMs } from "../../src/repository/registers/idle-pace.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ListOptions, ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

const hourMs = 3_600_000;
/** A bucket lists so many names at once. */
const pageNames = 1000;
/** As service-recoveries.ts has it where requests are charged for. */
const tellMs = 10_000;

const ignore = () => undefined;

function workerOn(store: ObjectStore, clock: Clock, pollMs: number): RecoveryWorker {
  return new RecoveryWorker({
    store,
    clock,
    commands: { run: () => clock.sleep(hourMs).then(() => ({})) },
    waker: localWaker(),
    owner: { host: "h", process: 1, space: "h", isAlive: () => true },
    unique: "w1",
    targets: new Map(),
    pollMs,
    tellMs,
    observer: { begins: ignore, ended: ignore, left: ignore, fails: ignore },
  });
}

function simulatedClock(): { time: VirtualTime; clock: SimulatedClock } {
  const time = new VirtualTime();
  return { time, clock: new SimulatedClock(new ProcessLife(time), new WallClock(time)) };
}

/** How many objects a drill of an hour leaves. */
async function objectsOfDrill(): Promise<number> {
  const { time, clock } = simulatedClock();
  const store = new MemoryStore();
  const by = { name: "alice", via: "api" } as const;
  const { id } = await createRecovery(store, clock, { command: "drill", args: [], by });
  const ended = new AbortController();
  void workerOn(store, clock, 70_000).run(ended.signal);
  await time.runUntil(time.nowMs + hourMs + 600_000);
  ended.abort(new Error("the test is over"));
  expect((await readRecovery(store, id))!.state).toBe("done");
  let objects = 0;
  for await (const _ of store.list(recoveriesPrefix)) objects += 1;
  return objects;
}

test("what the page says of it is so", async () => {
  const page = await readFile(join(import.meta.dirname, "../../docs/recoveries.md"), "utf8");
  const said =
    /leaves (\d+) objects, so a drill of every day (\d+) pages.*?some ([\d,]+) listings a\s+month/s;
  const [, objects, pages, listings] = said.exec(page)!;
  const left = await objectsOfDrill();
  expect(Number(objects)).toBe(left);
  expect(Number(pages)).toBe(Math.ceil((90 * left) / pageNames));
  const looks = (30 * 86_400_000) / idlePaceMs({ chargesRequests: true });
  const told = Number(listings!.replace(",", ""));
  expect(Math.abs(told / (looks * Number(pages)) - 1)).toBeLessThan(0.05);
});

/** A store whose listings take a while. */
class SlowListing extends StoreLayer {
  lists = 0;
  tookMs = 0;

  constructor(
    below: ObjectStore,
    private readonly clock: Clock,
  ) {
    super(below);
  }

  override async *list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject> {
    this.lists += 1;
    await this.clock.sleep(this.tookMs);
    yield* super.list(prefix, options);
  }
}

test.each([
  [0, 2000],
  [200, 2000],
  [400, 4000],
  [60_000, 70_000],
])("a worker whose look takes %i ms looks every %i ms", async (tookMs, everyMs) => {
  const { time, clock } = simulatedClock();
  const store = new SlowListing(new MemoryStore(), clock);
  store.tookMs = tookMs;
  const ended = new AbortController();
  void workerOn(store, clock, 2000).run(ended.signal);
  await time.runUntil(time.nowMs + 60 * everyMs);
  expect(Math.abs(store.lists - 60)).toBeLessThan(8);
  ended.abort(new Error("the test is over"));
});
