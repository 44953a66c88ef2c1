/** A change that a feed swallowed: the fold proves it, the claim shrinks, and the running capture resyncs the table. */
import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { intervalAt } from "../../src/repository/coverage/coverage.js";
import { listEvidence } from "../../src/repository/records/evidence.js";
import type { Feed, FeedBatch } from "../../src/rethinkdb/feed.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { fold, readCoverage } from "../repository/looks.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";
import { ProcessLife, WallClock } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { VirtualTime } from "./virtual-time.js";
import { WriterProcess } from "./writer-process.js";

/** Stands before a source and loses changes of its feeds while `on`. */
class Swallower {
  on = false;
  swallowed = 0;

  wrap(source: Source): Source {
    return new Proxy(source, {
      get: (target, property) => {
        if (property === "openFeed") {
          return async (...args: Parameters<Source["openFeed"]>) =>
            this.feed(await target.openFeed(...args));
        }
        const value: unknown = Reflect.get(target, property);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  private feed(feed: Feed): Feed {
    return overriding<Feed>(feed, { batches: this.batches(feed.batches) });
  }

  private async *batches(batches: AsyncIterable<FeedBatch>): AsyncGenerator<FeedBatch> {
    for await (const batch of batches) {
      yield {
        forEach: (visit) =>
          batch.forEach((event) => {
            if (this.on) this.swallowed += 1;
            else visit(event);
          }),
      };
    }
  }
}

test("a swallowed change is proven by the fold, narrows the claim, and is resynced", async () => {
  const time = new VirtualTime();
  const cluster = new Cluster({ timers: time.timers, seed: 5 });
  cluster.createDatabase("shop");
  const table = cluster.createTable("shop", "orders", {});
  const put = (id: string, value: number) =>
    cluster.write("shop", "orders", { put: { id, value } });
  for (let i = 0; i < 20; i += 1) put(`order-${i}`, 0);
  const store = new MemoryStore();
  const description = { id: "evidence", created: 0 };
  await store.put(repositoryName, encodeJsonObject("repository", description));
  const swallower = new Swallower();
  const life = new ProcessLife(time);
  new WriterProcess({
    number: 1,
    host: "here",
    life,
    wall: new WallClock(time),
    cluster,
    store,
    spool: undefined,
    description,
    takeOver: false,
    random: new Random(1),
    isAlive: () => false,
    chunkDocuments: 100,
    wrapSource: (source) => swallower.wrap(source),
    onState: () => undefined,
    onStopped: (_, error) => {
      throw error;
    },
  });
  await time.runUntil(5000);

  swallower.on = true;
  put("order-1", 1);
  put("order-2", 1);
  await time.runUntil(7000);
  const missed = time.trueMs;
  expect(swallower.swallowed).toBe(2);
  swallower.on = false;
  put("order-1", 2);
  await time.runUntil(10_000);

  const claimed = (await readCoverage(store)).get(table)!;
  expect(intervalAt(claimed, missed)?.class).toBe("exact");
  const bases = async () =>
    (await namesOf(store)).filter((name) => name.endsWith("manifest.json")).length;
  const before = await bases();
  const [folded] = await fold(
    { store, description },
    { until: time.trueMs, unique: "a", onRows: () => undefined },
  );
  expect(folded).toMatchObject({ breaks: 1, folded: false });
  expect(await bases()).toBe(before);
  expect(await listEvidence(store)).toMatchObject([{ table, key: '"order-1"' }]);
  const narrowed = (await readCoverage(store)).get(table)!;
  expect(intervalAt(narrowed, missed)?.class).toBe("unwatched");

  await time.runUntil(40_000);
  const resynced = (await readCoverage(store)).get(table)!;
  expect(resynced.state).toBe("live");
  expect(intervalAt(resynced, missed)).toMatchObject({
    class: "gap",
    reason: 'broken version chain at key "order-1"',
  });
  expect(await restoredState(store, table, resynced.frontier!)).toEqual(
    cluster.documents("shop", "orders"),
  );
  life.kill();
});

async function namesOf(store: MemoryStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("")) names.push(name);
  return names;
}
