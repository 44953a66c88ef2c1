/**
 * How good the estimates of a restore are: ten restores one after the other, of tables of several numbers and sizes.
 * The first measures the rate for the second, and so on. Told are what the plan said beside what it took, and the time
 * left at a quarter of the progress beside what was left.
 */

import { estimateOf, noteRestoreRate } from "../../src/cli/restore-estimate.js";
import { leftMs, RestoreProgress } from "../../src/cli/restore-progress.js";
import { systemClock } from "../../src/clock.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { planRestore } from "../../src/restore/plan.js";
import { restore } from "../../src/restore/restore.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { orders } from "./data.js";
import { GeneratedRepository, generatedDatabase } from "./generated.js";
import { targetOf } from "./restore.js";

const restores = 10;
/** How many tables each restore has, in turn, and of which share of the documents each of them is. */
const shapes: [tables: number, share: number][] = [
  [1, 1],
  [4, 0.5],
  [1, 0.4],
  [8, 0.1],
  [2, 1],
];

export async function benchEstimate(bench: Bench): Promise<void> {
  const server = await bench.server();
  const lines: string[] = [];
  let [near, nearLeft] = [0, 0];
  const repositories = await Promise.all(
    shapes.map(async ([tables, share]) => {
      const { rows } = orders(Math.round(bench.documents * share));
      const generated = await GeneratedRepository.begin(bench.scratch);
      for (let i = 0; i < tables; i += 1) await generated.copy(`t${i}`, rows);
      await generated.tick();
      return generated.repository;
    }),
  );
  const [common] = repositories;
  // One restore that only measures.
  await run(server, common!, common!);
  for (let i = 0; i < restores; i += 1) {
    const shape = i % shapes.length;
    const one = await run(server, repositories[shape]!, common!);
    const off = one.estimated / one.seconds - 1;
    const offLeft = one.left / one.rest - 1;
    if (Math.abs(off) <= 0.3) near += 1;
    if (Math.abs(offLeft) <= 0.3) nearLeft += 1;
    const percent = (of: number) => `${(100 * of).toFixed(0)} %`;
    lines.push(
      `${shapes[shape]![0]} tables: ${one.seconds.toFixed(1)} s, estimated ${one.estimated.toFixed(1)} (${percent(off)}); ` +
        `at a quarter ${one.rest.toFixed(1)} s were left, told ${one.left.toFixed(1)} (${percent(offLeft)})`,
    );
  }
  process.stdout.write(
    `estimates of ${restores} restores\n${lines.map((line) => `  ${line}\n`).join("")}` +
      `  within 30 %: ${near} of ${restores} by the plan, ${nearLeft} of ${restores} at a quarter\n\n`,
  );
}

/** @param common the repository that holds the rates */
async function run(
  server: TestServer,
  repository: GeneratedRepository["repository"],
  common: GeneratedRepository["repository"],
): Promise<{ seconds: number; estimated: number; left: number; rest: number }> {
  const target = targetOf(server);
  const request = { tables: [], databases: [], renames: new Map<string, string>() };
  const rest = { allowInexact: false, nearest: false, withoutAccess: true };
  try {
    const plan = await lookAt(repository, (view) => planRestore(view, { ...request, ...rest }));
    const estimate = await lookAt(repository, (view) =>
      lookAt(common, (rates) => estimateOf(view, plan, rates.common)),
    );
    const progress = new RestoreProgress();
    progress.begin(plan, { whole: new Set() });
    const began = performance.now();
    let quarter: { atMs: number; left: number } | undefined;
    const observer = {
      making: progress.making.bind(progress),
      complete: progress.complete.bind(progress),
      reading: progress.reading.bind(progress),
      finishing: progress.finishing.bind(progress),
      writing: (...written: Parameters<RestoreProgress["writing"]>) => {
        progress.writing(...written);
        const atMs = performance.now() - began;
        if (progress.share >= 0.25) quarter ??= { atMs, left: leftMs(progress.share, atMs) };
      },
    };
    const restored = await restore(repository, plan, target, systemClock, observer);
    const tookMs = performance.now() - began;
    const sum = (of: "documents" | "bytes") => restored.reduce((all, table) => all + table[of], 0);
    const done = { tables: restored.length, documents: sum("documents"), bytes: sum("bytes") };
    await noteRestoreRate(common, done, tookMs / 1000);
    return {
      seconds: tookMs / 1000,
      estimated: estimate?.seconds ?? Number.NaN,
      left: (quarter?.left ?? Number.NaN) / 1000,
      rest: (tookMs - (quarter?.atMs ?? Number.NaN)) / 1000,
    };
  } finally {
    const present = await target.databases();
    if (present.includes(generatedDatabase)) await target.dropDatabase(generatedDatabase);
    target.close();
  }
}
