/**
 * What a command costs before it can answer: `thinkback status` on a repository of a year as maintenance leaves it, with
 * and without its bundles, beside one of a week; wall time of the process, CPU of the same work in this one, what it asks
 * of the store, and how long it would wait for that in a bucket. Then what a bundle of the year costs.
 */

import { readBundle } from "../../src/repository/bundle.js";
import { openRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { Repeated } from "../../src/storage/object-store.js";
import { cli } from "../endtoend/cli.js";
import { agedEnd, agedRepository } from "../repository/aged.js";
import { LatentStore } from "../repository/latent-store.js";
import { readStatus, renewBundle } from "../repository/looks.js";
import { namesIn } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { inTurn, report, timed } from "./report.js";

/** What an answer of a bucket takes. */
const latencyMs = 20;

/** A repository, in memory and in a directory. */
interface Aged {
  name: string;
  memory: MemoryStore;
  directory: string;
}

export async function benchStart({ rounds, scratch }: Bench): Promise<void> {
  const year = await agedOf("a year", 365, scratch);
  const cases = [
    await agedOf("a week", 7, scratch),
    year,
    await withoutBundles("a year, no bundle", year, scratch),
  ];
  const taken = await inTurn(
    rounds,
    cases.map((one) => () => status(one)),
  );
  const series = (of: keyof StatusRun) =>
    cases.map(({ name }, i): [string, number[]] => [name, taken[i]!.map((run) => run[of])]);
  report("`thinkback status`, ms of the whole process", series("processMs"));
  report("what it computes, ms of CPU", series("cpuMs"));
  report("reads and sizes of objects that it asks for", series("reads"));
  report("listings that it asks for", series("listings"));
  report(`waiting, if each answer takes ${latencyMs} ms, ms`, series("waitingMs"));
  await benchBundle(rounds, year);
}

interface StatusRun {
  processMs: number;
  cpuMs: number;
  reads: number;
  listings: number;
  waitingMs: number;
}

async function status({ directory, memory }: Aged): Promise<StatusRun> {
  const began = performance.now();
  const { status: code, stderr } = await cli(["status", "--repo", directory]);
  const processMs = performance.now() - began;
  if (code !== 0) throw new Error(stderr);
  const { cpuSeconds } = await timed(async () => {
    await readStatus(await openRepository(new DirectoryStore(directory)));
  });
  const latent = new LatentStore(memory, latencyMs);
  await readStatus(await openRepository(latent));
  const { read, listings, ms } = latent;
  return { processMs, cpuMs: cpuSeconds * 1000, reads: read.length, listings, waitingMs: ms };
}

interface BundleRun {
  objects: number;
  repeatedBytes: number;
  bytes: number;
  writingMs: number;
  readingMs: number;
}

async function benchBundle(rounds: number, { name, memory }: Aged): Promise<void> {
  const [taken] = await inTurn(rounds, [() => renewed(memory)]);
  const series = (of: keyof BundleRun): [string, number[]][] => [
    [name, taken!.map((run) => run[of])],
  ];
  report("objects that a bundle repeats", series("objects"));
  report("their bytes", series("repeatedBytes"));
  report("bytes of the bundle", series("bytes"));
  report("writing it, ms of CPU", series("writingMs"));
  report("reading it, ms of CPU", series("readingMs"));
}

/** Puts a bundle and reads it. */
async function renewed(store: MemoryStore): Promise<BundleRun> {
  const repository = await openRepository(store);
  let bundle = "";
  let objects = new Map<string, Repeated>();
  const writing = await timed(async () => {
    bundle = (await renewBundle(repository, { at: agedEnd, anew: true }))!;
  });
  const reading = await timed(async () => {
    ({ objects } = await readBundle(store, bundle));
  });
  return {
    objects: objects.size,
    repeatedBytes: [...objects.values()].reduce((sum, { bytes }) => sum + bytes.length, 0),
    bytes: (await store.size(bundle))!,
    writingMs: writing.cpuSeconds * 1000,
    readingMs: reading.cpuSeconds * 1000,
  };
}

async function agedOf(name: string, days: number, scratch: string[]): Promise<Aged> {
  const memory = new MemoryStore();
  await agedRepository(days, memory);
  return stored(name, memory, scratch);
}

async function withoutBundles(name: string, { memory }: Aged, scratch: string[]): Promise<Aged> {
  const without = new MemoryStore();
  for (const object of await namesIn(memory)) {
    if (!object.startsWith("bundles/")) await without.put(object, await memory.get(object));
  }
  return stored(name, without, scratch);
}

async function stored(name: string, memory: MemoryStore, scratch: string[]): Promise<Aged> {
  const directory = await scratchDirectory(scratch);
  const store = new DirectoryStore(directory);
  for (const object of await namesIn(memory)) await store.put(object, await memory.get(object));
  return { name, memory, directory };
}
