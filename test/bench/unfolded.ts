/**
 * `thinkback status` of 300 tables and 900 segments that are not folded, each of which names 299 tables that lag behind
 * the frontier and the totals of 30 that changed: what an outage of maintenance for a quarter of an hour leaves. Beside it
 * the same of 3 tables.
 */
import { openRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { cli } from "../endtoend/cli.js";
import { readStatus } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { inTurn, report, timed } from "./report.js";

const segments = 900;
const changing = 30;

export async function benchUnfolded({ rounds, scratch }: Bench): Promise<void> {
  const cases = [3, 300].map((tables) => ({ tables, name: `${tables} tables` }));
  const places: string[] = [];
  for (const { tables } of cases) {
    const directory = await scratchDirectory(scratch);
    await unfolded(directory, tables);
    places.push(directory);
  }
  const taken = await inTurn(
    rounds,
    places.map((directory) => () => status(directory)),
  );
  const series = (of: "processMs" | "cpuMs") =>
    cases.map(({ name }, i): [string, number[]] => [name, taken[i]!.map((run) => run[of])]);
  report(
    `\`thinkback status\`, ${segments} unfolded segments, ms of the process`,
    series("processMs"),
  );
  report("what it computes, ms of CPU", series("cpuMs"));
}

async function status(directory: string): Promise<{ processMs: number; cpuMs: number }> {
  const began = performance.now();
  const { status: code, stderr } = await cli(["status", "--repo", directory]);
  const processMs = performance.now() - began;
  if (code !== 0) throw new Error(stderr);
  const { cpuSeconds } = await timed(async () => {
    await readStatus(await openRepository(new DirectoryStore(directory)));
  });
  return { processMs, cpuMs: cpuSeconds * 1000 };
}

async function unfolded(directory: string, count: number): Promise<void> {
  const repository = await makeRepository(new DirectoryStore(directory));
  const clock = new StillClock(Date.UTC(2026, 10, 21));
  const recording = await Recording.begin(repository, clock);
  const tables = Array.from(
    { length: count },
    (_, i) => `0a000000-0000-4000-8000-${String(i + 1).padStart(12, "0")}`,
  );
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const since = clock.instant;
  const writers = [];
  for (const [i, table] of tables.entries()) {
    recording.coverage(table, { state: "copying", since });
    recording.catalog(["table", table], { id: table, db: "shop", name: `t${i}` });
    writers.push(await recording.copy(table, [[1, { id: 1 }]]));
  }
  const live = await recording.tick(10);
  for (const writer of writers) await writer.finish(live, since - 1);
  for (const table of tables) recording.coverage(table, { state: "live", since: live });
  await recording.tick(10);
  for (let segment = 0; segment < segments; segment += 1) {
    const changed = Math.min(changing, count);
    for (let i = 0; i < changed; i += 1) {
      recording.put(tables[(segment + i) % count]!, 1, { id: 1, segment });
    }
    const to = clock.instant;
    const lagging = Object.fromEntries(tables.slice(1).map((table, i) => [table, to - 1 - i]));
    await recording.tick(1000 - changed, { lagging });
  }
}
