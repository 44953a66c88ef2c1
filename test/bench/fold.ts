/**
 * A fold of a table of which one document in a hundred has changed: all in one stretch of keys, or every hundredth; each
 * beside a rewrite of the whole base. No server: the repository is written by the classes that capture uses.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "../../src/digest.js";
import type { FoldedTable } from "../../src/fold/fold.js";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { BaseWriter } from "../../src/repository/bases/base-writer.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { seededRandom } from "../endtoend/workload.js";
import { fullRewrite } from "../fold/full-rewrite.js";
import { fold, newestBase } from "../repository/looks.js";
import { json, makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { order } from "./orders.js";
import { inTurn, report } from "./report.js";
import { withThreads } from "./threads.js";

const table = "0a000000-0000-4000-8000-000000000001";
const changesPerTick = 1000;

interface Prepared {
  repository: Repository;
  base: BaseManifest;
  /** What a rewrite of the whole base reads, bytes. */
  baseBytes: number;
  instant: Instant;
}

export async function benchFold({ documents: wanted, rounds }: Bench): Promise<void> {
  const documents = 10 * wanted;
  const changes = documents / 100;
  const middle = Math.floor(documents / 2);
  const isClustered = (number: number) => number >= middle && number < middle + changes;
  const isScattered = (number: number) => number % 100 === 50;
  for (const [title, isChanged] of [
    ["one stretch of keys", isClustered],
    ["every hundredth key", isScattered],
  ] as const) {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
    try {
      const prepared = await prepare(directory, documents, isChanged);
      await compare(`fold of 1 % of ${documents} orders, ${title}`, prepared, rounds);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Writes a base of all orders, and a log in which those have changed that are chosen. */
async function prepare(
  directory: string,
  documents: number,
  isChanged: (number: number) => boolean,
): Promise<Prepared> {
  const repository = await makeRepository(new DirectoryStore(directory));
  const recording = await Recording.begin(repository, new StillClock());
  const random = seededRandom(1);
  const { time } = recording.log.stamp();
  const { epoch } = recording.log;
  recording.coverage(table, { state: "copying", since: time });
  const identity = { table, primaryKey: "id", epoch, begun: time, unique: "1" };
  const writer = new BaseWriter(repository, identity);
  const digests = new Map<number, string>();
  for (let number = 0; number < documents; number += 1) {
    const document = order(number, random);
    const text = json(document);
    if (isChanged(number)) digests.set(number, digestOf(text));
    writer.add(json(document.id), time, number, text);
    if (number % 1000 === 0) await writer.drain();
  }
  const copied = await recording.tick();
  const base = await writer.finish(copied, time - 1);
  recording.coverage(table, { state: "live", since: copied });
  let instant = await recording.tick();
  let changed = 0;
  for (const [number, digest] of digests) {
    recording.clock.instant += 1;
    const document = order(number, random);
    recording.log.append(table, json(document.id), digest, json(document));
    changed += 1;
    if (changed % changesPerTick === 0) instant = await recording.tick();
  }
  const baseBytes = base.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  return { repository, base, baseBytes, instant };
}

async function compare(title: string, prepared: Prepared, rounds: number): Promise<void> {
  const { repository, base, baseBytes, instant } = prepared;
  const { store } = repository;
  const kept = new Set(await namesIn(store));
  const removeNew = async () => {
    for (const name of await namesIn(store)) if (!kept.has(name)) await store.delete(name);
  };
  let rewritten = { digest: "", bytesWritten: 0 };
  let folded: FoldedTable | undefined;
  let digest = "";
  const [limit, ours] = await inTurn(rounds, [
    async () => {
      const began = performance.now();
      const { manifest, bytesWritten } = await fullRewrite(repository, base, instant, store);
      const ended = performance.now();
      rewritten = { digest: manifest.digest, bytesWritten };
      await removeNew();
      return (ended - began) / 1000;
    },
    async () => {
      const began = performance.now();
      const options = { until: instant, unique: "f", onRows: () => undefined };
      [folded] = await withThreads((compressor) => fold(repository, { ...options, compressor }));
      const ended = performance.now();
      digest = (await newestBase(store, table, instant))!.digest;
      await removeNew();
      return (ended - began) / 1000;
    },
  ]);
  if (!folded?.folded || digest !== rewritten.digest) throw new Error("the two bases differ");
  report(`${title}, seconds`, [
    ["every part rewritten", limit!],
    ["thinkback fold", ours!],
  ]);
  const { partsWritten, partsKept, bytesRead, bytesWritten } = folded;
  const share = (part: number, whole: number) =>
    `${(part / 2 ** 20).toFixed(1)} of ${(whole / 2 ** 20).toFixed(1)} MiB (${((100 * part) / whole).toFixed(1)} %)`;
  process.stdout.write(
    `  read    ${share(bytesRead, baseBytes)}\n` +
      `  written ${share(bytesWritten, rewritten.bytesWritten)}\n` +
      `  parts   ${partsWritten} written, ${partsKept} of ${base.parts.length} kept\n\n`,
  );
}
