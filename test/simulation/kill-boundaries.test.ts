/**
 * Kills the process at every write that it makes, right before and right after: whatever the write was, the repository
 * verifies afterwards, no instant that it calls exact is wrong, and the next process heals it.
 */
import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { intervalAt } from "../../src/repository/coverage/coverage.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { fold, readCoverage } from "../repository/looks.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { KillingStore, type Moment } from "./killing-store.js";
import { ProcessLife, WallClock } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { verifyRepository } from "./stored-objects.js";
import { VirtualTime } from "./virtual-time.js";
import { WriterProcess } from "./writer-process.js";

const description = { id: "kill-boundaries", created: 0 };

/** One process that is killed, another that heals; returns the writes that the first made. */
async function scenario(killAt: number, moment: Moment): Promise<number> {
  const time = new VirtualTime();
  const cluster = new Cluster({ timers: time.timers, seed: 3 });
  cluster.createDatabase("shop");
  const table = cluster.createTable("shop", "orders", {});
  const put = (number: number, value: string) =>
    cluster.write("shop", "orders", { put: { id: `order-${number}`, value } });
  for (let i = 0; i < 40; i += 1) put(i, "first");
  const store = new MemoryStore();
  await store.put(repositoryName, encodeJsonObject("repository", description));

  const states = new Map<number, Map<string, string>>();
  const begin = (number: number, at: number, kill: number) => {
    const life = new ProcessLife(time);
    const seen = new KillingStore(store, life, kill, moment);
    new WriterProcess({
      number,
      host: "here",
      life,
      wall: new WallClock(time),
      cluster,
      store: seen,
      spool: undefined,
      description,
      takeOver: false,
      random: new Random(at + 1),
      isAlive: () => false,
      chunkDocuments: 16,
      wrapSource: (source) => source,
      onState: () => undefined,
      onStopped: (_, error) => {
        throw error;
      },
    });
    return { life, seen };
  };
  /** Changes, then a quiet second whose state is remembered. */
  const change = async (round: number) => {
    for (let i = 0; i < 5; i += 1) put(round * 3 + i, `round ${round}`);
    put(100 + round, "new");
    cluster.write("shop", "orders", { delete: `order-${30 + round}` });
    await time.runUntil(time.nowMs + 1000);
    states.set(time.trueMs, cluster.documents("shop", "orders"));
    await time.runUntil(time.nowMs + 12_000);
  };

  const first = begin(1, 1, killAt);
  await time.runUntil(1500);
  await change(1);
  const folding = fold(
    { store: first.seen, description },
    { until: time.trueMs, unique: "a", partBytesTarget: 400, onRows: () => undefined },
  );
  folding.catch(() => undefined);
  await time.runUntil(time.nowMs + 200);
  await change(2);
  const { writes } = first.seen;
  first.life.kill();
  await change(3);
  await verifyRepository(store);

  begin(2, 2, 0);
  await time.runUntil(time.nowMs + 3000);
  await change(4);
  await time.runUntil(time.nowMs + 12_000);
  await verifyRepository(store);

  const coverage = (await readCoverage(store)).get(table)!;
  expect(coverage.state).toBe("live");
  expect(await restoredState(store, table, coverage.frontier!)).toEqual(
    cluster.documents("shop", "orders"),
  );
  let exact = 0;
  for (const [instant, state] of states) {
    if (intervalAt(coverage, instant)?.class !== "exact") continue;
    exact += 1;
    expect(await restoredState(store, table, instant)).toEqual(state);
  }
  // The last change at least was watched by the second process; without a kill only the third was not.
  expect(exact).toBeGreaterThanOrEqual(killAt === 0 ? 3 : 1);
  return writes;
}

test("a kill at any write leaves a repository that verifies and heals", async () => {
  const writes = await scenario(0, "before");
  expect(writes).toBeGreaterThan(10);
  for (let killAt = 1; killAt <= writes; killAt += 1) {
    await scenario(killAt, "before");
    await scenario(killAt, "after");
  }
}, 120_000);
