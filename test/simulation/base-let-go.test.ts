/** An expiry lets go of the base that a repair has begun from: the table is copied anew. */
import { expect, test } from "vitest";
import { newestBase } from "../../src/repository/base.js";
import { readCoverage } from "../../src/repository/coverage-reader.js";
import { nextExpiry, putExpiry } from "../../src/repository/expiry.js";
import { encodeJsonObject } from "../../src/repository/json-object.js";
import { parseManifestName, repositoryName } from "../../src/repository/names.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";
import { ProcessLife, WallClock } from "./process-life.js";
import { restoredState } from "./restored-state.js";
import { VirtualTime } from "./virtual-time.js";
import { WriterProcess } from "./writer-process.js";

test("a repair whose base is let go while it walks ends in a copy", async () => {
  const time = new VirtualTime();
  const cluster = new Cluster({ timers: time.timers, seed: 5 });
  cluster.createDatabase("shop");
  const table = cluster.createTable("shop", "orders", {});
  const put = (id: string) => cluster.write("shop", "orders", { put: { id } });
  for (let i = 0; i < 5; i += 1) put(`order-${i}`);
  const store = new MemoryStore();
  const description = { id: "let-go", created: 0 };
  await store.put(repositoryName, encodeJsonObject("repository", description));
  const states: string[] = [];
  const begin = (number: number, wrapSource: (source: Source) => Source) => {
    const life = new ProcessLife(time);
    new WriterProcess({
      number,
      host: "here",
      life,
      wall: new WallClock(time),
      cluster,
      store,
      spool: undefined,
      description,
      takeOver: true,
      random: new Random(1),
      isAlive: () => false,
      chunkDocuments: 100,
      wrapSource,
      onState: (_, state) => states.push(state.split(" ")[0]!),
    });
    return life;
  };
  const first = begin(1, (source) => source);
  await time.runUntil(5000);
  first.kill();
  put("order-5");
  expect(states).toEqual(["copying", "live"]);

  const second = begin(2, (source) =>
    overriding(source, {
      walk: async function* (of, options) {
        if (states.at(-1) === "repairing") await letGo(store, time.trueMs);
        yield* source.walk(of, options);
      },
    }),
  );
  await time.runUntil(20_000);
  expect(states.slice(2)).toEqual(["repairing", "copying", "live"]);
  expect(await newestBase(store, table, time.trueMs)).toBeDefined();
  const { frontier } = (await readCoverage(store)).get(table)!;
  expect(await restoredState(store, table, frontier!)).toEqual(cluster.documents("shop", "orders"));
  second.kill();
});

/** Publishes that no base is used any more. */
async function letGo(store: MemoryStore, now: number): Promise<void> {
  const expiry = nextExpiry(undefined, now);
  for await (const { name } of store.list("bases/")) {
    if (parseManifestName(name)) expiry.bases[name] = now;
  }
  expect(Object.keys(expiry.bases)).toHaveLength(1);
  await putExpiry(store, expiry);
}
