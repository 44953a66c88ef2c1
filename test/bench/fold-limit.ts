/**
 * Folds that rewrite all they read, beside `zstd -dc | sort | zstd` of the same bytes: a base of which every part has
 * changed with its log, and segments that become a folded one; with compression in the thread that merges, and in others.
 * `sort` compares whole lines, which begin with the key.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { compressHere, type FrameCompressor } from "../../src/format/frame-compressor.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { foldLog } from "../repository/looks.js";
import { foldUp } from "../repository/recording.js";
import type { Bench } from "./bench.js";
import { type DataSet, orders, packages } from "./data.js";
import { GeneratedRepository, wipingNew } from "./generated.js";
import { inTurn, report, type Took, timed } from "./report.js";
import { withThreads } from "./threads.js";

const dayMs = 86_400_000;

export async function benchFoldLimit({ documents, rounds, scratch }: Bench): Promise<void> {
  for (const set of [orders(documents), await packages(documents)]) {
    if (set) await foldsOf(set, rounds, scratch);
  }
}

async function foldsOf({ name, rows }: DataSet, rounds: number, scratch: string[]): Promise<void> {
  const generated = await GeneratedRepository.begin(scratch);
  const { repository, directory } = generated;
  const { table, base } = await generated.copy("all", rows);
  const changes = Math.floor(rows.length / 2);
  for (let i = 0; i < changes; i += 1) {
    generated.change(table, rows, (i * 7919) % rows.length, i, 1);
    if (i % 1000 === 999) await generated.tick();
  }
  const instant = await generated.tick();
  const segments = (await LogView.read(repository.store)).pieces.map((piece) => piece.name);
  const parts = base.parts.map((part) => part.name);
  const wiping = await wipingNew(repository.store);
  await compare(`fold of a base of ${name} and ${changes} changes to a base`, rounds, {
    directory,
    names: [...parts, ...segments],
    fold: async (compressor) => {
      await foldUp(repository, instant, undefined, { compressor });
    },
    wiping,
  });
  const options = {
    now: instant + 2 * dayMs,
    settleMs: 0,
    partial: true,
    unique: "f",
    resolutionOf: () => 1,
    // Only to folded segments of ten minutes, so that each line is folded once.
    spanMaxMs: () => 1,
    pinned: [],
  };
  await compare(`fold of the segments of ${changes} changes of ${name}`, rounds, {
    directory,
    names: segments,
    fold: async (compressor) => {
      await foldLog(repository, { ...options, compressor });
    },
    wiping,
  });
}

interface Sides {
  directory: string;
  /** What is read. */
  names: string[];
  fold: (compressor: FrameCompressor) => Promise<void>;
  /** Measures work, and removes what it has written. */
  wiping: (work: () => Promise<void>) => Promise<Took>;
}

async function compare(title: string, rounds: number, sides: Sides): Promise<void> {
  const { directory, names, fold, wiping } = sides;
  const files = names.map((name) => join(directory, name));
  const bytes = Number((await bash(`zstd -q -dc "$@" | wc -c`, files)).stdout);
  const out = join(directory, "sorted.zst");
  const pipeline = async (): Promise<Took> => {
    const script = `zstd -q -dc "$@" | LC_ALL=C sort -S 1G | zstd -q -c > ${out}; times`;
    let cpuSeconds = 0;
    const { seconds } = await timed(async () => {
      cpuSeconds = childSeconds((await bash(script, files)).stdout);
    });
    await rm(out);
    return { seconds, cpuSeconds };
  };
  const [limit, alone, ours] = await inTurn(rounds, [
    pipeline,
    () => wiping(() => fold(compressHere)),
    () => wiping(() => withThreads(fold)),
  ]);
  const rates = (took: Took[], of: keyof Took) => took.map((one) => bytes / 1e6 / one[of]);
  for (const [of, unit] of [
    ["seconds", "MB of lines/s"],
    ["cpuSeconds", "MB of lines/s of CPU"],
  ] as const) {
    report(`${title}, ${unit}`, [
      ["zstd -dc | sort | zstd", rates(limit!, of)],
      ["thinkback fold in one thread", rates(alone!, of)],
      ["thinkback fold", rates(ours!, of)],
    ]);
  }
}

function bash(script: string, args: string[]) {
  return promisify(execFile)("bash", ["-c", script, "bash", ...args]);
}

/** CPU seconds of the children, of what bash prints for `times`: two lines of user and system, its own and theirs. */
function childSeconds(times: string): number {
  const seconds = [...times.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, m, s]) => Number(m) * 60 + Number(s),
  );
  return seconds[2]! + seconds[3]!;
}
