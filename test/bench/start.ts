/**
 * What a command costs before it can answer: `thinkback status` on a repository of a year as maintenance leaves it,
 * beside one of a week; wall time of the process, CPU of the same work in this one, and requests to the store.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { foldLog } from "../../src/fold/fold-log.js";
import { LogView } from "../../src/repository/log-view.js";
import { openRepository } from "../../src/repository/repository.js";
import { readStatus } from "../../src/repository/status.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import { cli } from "../endtoend/cli.js";
import { foldUp, namesIn } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { orders, type Row } from "./data.js";
import { GeneratedRepository } from "./generated.js";
import { inTurn, report, timed } from "./report.js";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export async function benchStart({ rounds, scratch }: Bench): Promise<void> {
  const week = await historyOf(7, scratch);
  const year = await historyOf(365, scratch);
  const taken = await inTurn(rounds, [() => status(week), () => status(year)]);
  const series = (of: keyof StatusRun) =>
    ["a week", "a year"].map((name, i): [string, number[]] => {
      return [name, taken[i]!.map((run) => run[of])];
    });
  report("`thinkback status`, ms of the whole process", series("processMs"));
  report("what it computes, ms of CPU", series("cpuMs"));
  report("reads and sizes of objects that it asks for", series("reads"));
  report("listings that it asks for", series("listings"));
  report("names in these listings", series("listed"));
}

interface StatusRun {
  processMs: number;
  cpuMs: number;
  reads: number;
  listings: number;
  listed: number;
}

async function status(directory: string): Promise<StatusRun> {
  const began = performance.now();
  const { status: code, stderr } = await cli(["status", "--repo", directory]);
  const processMs = performance.now() - began;
  if (code !== 0) throw new Error(stderr);
  const store = new CountingStore(new DirectoryStore(directory));
  const { cpuSeconds } = await timed(async () => {
    await readStatus(await openRepository(store));
  });
  const { reads, listings, listed } = store;
  return { processMs, cpuMs: cpuSeconds * 1000, reads, listings, listed };
}

/** Counts what is asked of a store. */
class CountingStore implements ObjectStore {
  reads = 0;
  listings = 0;
  listed = 0;
  readonly location: string;

  constructor(private readonly store: ObjectStore) {
    this.location = store.location;
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.store.put(name, bytes);
  }

  get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    this.reads += 1;
    return this.store.get(name, range);
  }

  size(name: string): Promise<number | undefined> {
    this.reads += 1;
    return this.store.size(name);
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    this.listings += 1;
    for await (const object of this.store.list(prefix)) {
      this.listed += 1;
      yield object;
    }
  }

  delete(name: string): Promise<void> {
    return this.store.delete(name);
  }
}

/**
 * Days of history of three tables, in a directory: a folded segment of each day but the last, of each hour and ten
 * minutes of that day, single segments of the last seven minutes, and about twenty bases of each table.
 */
async function historyOf(days: number, scratch: string[]): Promise<string> {
  const end = Date.UTC(2026, 10, 21, 23, 57);
  const memory = new MemoryStore();
  const generated = await GeneratedRepository.begin(scratch, end - days * dayMs, () => memory);
  const { clock, repository } = generated;
  const tables: { table: string; rows: Row[] }[] = [];
  for (const name of ["a", "b", "c"]) {
    const { rows } = orders(200);
    tables.push({ rows, ...(await generated.copy(name, rows)) });
  }
  const work = async (until: number, tickMs: number) => {
    while (clock.instant + tickMs <= until) {
      const number = Math.floor(clock.instant / tickMs);
      const { table, rows } = tables[number % tables.length]!;
      generated.change(table, rows, number % rows.length, number, 1);
      await generated.tick(tickMs);
    }
  };
  await work(end - dayMs, dayMs);
  await work(end - 17 * minuteMs, 5 * minuteMs);
  await work(end, 1000);
  await foldLog(repository, {
    now: end,
    settleMs: 0,
    partial: false,
    unique: "f",
    resolutionOf: () => 1,
    spanMaxMs: () => dayMs,
    pinned: [],
  });
  for (let base = 1; base <= 20; base += 1) {
    await foldUp(repository, end - Math.floor(days * (1 - base / 20)) * dayMs);
  }
  // As the sweep leaves it: without what the folded segments stand for.
  const directory = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
  scratch.push(directory);
  const store = new DirectoryStore(directory);
  const { pieces } = await LogView.read(memory);
  const used = new Set(pieces.map((piece) => piece.name));
  for (const name of await namesIn(memory)) {
    if (name.startsWith("log/") && !used.has(name)) continue;
    if (name.startsWith("folded/") && !pieces.some((piece) => isPartOf(name, piece.name))) continue;
    await store.put(name, await memory.get(name));
  }
  return directory;
}

/** True if an object lies beside a manifest. */
function isPartOf(name: string, manifest: string): boolean {
  return name.slice(0, name.lastIndexOf("/")) === manifest.slice(0, manifest.lastIndexOf("/"));
}
