/**
 * A restore to now against the length of the history: one, ten and a hundred times as many changes of a table that keeps
 * its size, in a day of virtual time, in which maintenance looks every half hour and makes a base when its estimate of a
 * restore exceeds the objective. The restore comes at the worst moment, right before maintenance would look again.
 */

import { noteRates } from "../../src/repository/registers/rates.js";
import { estimateRestore, foldDue } from "../../src/upkeep/schedule.js";
import { fold, foldLog, readLoad } from "../repository/looks.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { orders } from "./data.js";
import { GeneratedRepository } from "./generated.js";
import { inTurn, median, report } from "./report.js";
import { repositoryOf, timedRestore } from "./restore.js";

const lookMs = 30 * 60_000;
const looks = 48;
/** The objective, in restores of the table alone. */
const objectiveShare = 1.25;

export async function benchHistory(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const server = await bench.server();
  const count = Math.floor(documents / 5);
  const alone = await tableAlone(server, count, scratch);
  const objectiveMs = alone.seconds * 1000 * objectiveShare;
  const histories: History[] = [];
  for (const times of [1, 10, 100]) {
    histories.push(await historyOf(count, times, objectiveMs, alone.bytesPerSecond, scratch));
  }
  const seconds = await inTurn(
    rounds,
    histories.map(({ generated }) => async () => {
      return (await timedRestore(server, generated.repository)).whole;
    }),
  );
  report(
    `restore to now of ${count} orders, seconds`,
    histories.map(({ changes }, i) => [`after ${changes} changes`, seconds[i]!]),
  );
  for (const [i, { changes, bases, estimateMs }] of histories.entries()) {
    const of = (ms: number) => `${((100 * ms) / objectiveMs).toFixed(0)} %`;
    process.stdout.write(
      `  after ${changes} changes: ${bases} bases made; of the objective of ${(objectiveMs / 1000).toFixed(1)} s ` +
        `the estimate is ${of(estimateMs)}, the restore took ${of(median(seconds[i]!) * 1000)}\n`,
    );
  }
  process.stdout.write("\n");
}

/** What a restore of the table takes without any history, and what rate of maintenance's own measure that is. */
async function tableAlone(server: TestServer, count: number, scratch: string[]) {
  const { repository } = await repositoryOf(orders(count).rows, scratch);
  const runs = await inTurn(3, [() => timedRestore(server, repository)]);
  const seconds = median(runs[0]!.map(({ whole }) => whole));
  const load = await readLoad(repository);
  const atOneByte = { restoreBytesPerSecond: 1, mergeBytesPerSecond: 1 };
  const workBytes = estimateRestore({ ...load, logBytes: 0, rates: atOneByte }) / 1000;
  return { seconds, bytesPerSecond: workBytes / seconds };
}

interface History {
  generated: GeneratedRepository;
  changes: number;
  bases: number;
  /** What maintenance would estimate at the end. */
  estimateMs: number;
}

async function historyOf(
  count: number,
  times: number,
  objectiveMs: number,
  restoreBytesPerSecond: number,
  scratch: string[],
): Promise<History> {
  const { rows } = orders(count);
  const generated = await GeneratedRepository.begin(scratch);
  const { repository, clock } = generated;
  const { table } = await generated.copy("restored", rows);
  await noteRates(repository.store, { restoreBytesPerSecond }, clock.instant);
  const perLook = Math.ceil((count * times) / looks);
  let bases = 0;
  let changes = 0;
  const work = async () => {
    const until = clock.instant + lookMs;
    for (let i = 0; i < perLook; i += 1) {
      generated.change(table, rows, (changes * 7919) % count, changes, 0);
      changes += 1;
      // As many segments as an hour of seconds would be are not needed: their number costs little beside their lines.
      if (i % Math.ceil(perLook / 30) === 0) await generated.tick(lookMs / 32);
    }
    await generated.tick(Math.max(1, until - clock.instant));
  };
  for (let look = 0; look < looks - 1; look += 1) {
    await work();
    bases += await maintainOnce(generated, objectiveMs, `l${look}`);
  }
  await work();
  await generated.tick();
  const estimateMs = estimateRestore(await readLoad(repository));
  return { generated, changes, bases, estimateMs };
}

/** A round of maintenance, of what bears on restores: the log is folded, and a base made if the objective wants it. */
async function maintainOnce(
  { repository, clock }: GeneratedRepository,
  objectiveMs: number,
  unique: string,
): Promise<number> {
  const now = clock.instant;
  const load = await readLoad(repository);
  await foldLog(repository, {
    now,
    settleMs: 0,
    partial: false,
    unique,
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });
  if (load.lastFold === undefined) return 0;
  const { due } = foldDue({
    now,
    lastFold: load.lastFold,
    objectiveMs,
    everyMs: undefined,
    cron: undefined,
    estimateMs: estimateRestore(load),
    foldedEstimateMs: estimateRestore({ ...load, logBytes: 0 }),
  });
  if (!due) return 0;
  const folded = await fold(repository, { until: now, unique, onRows: () => undefined });
  return folded.filter((one) => one.folded).length;
}
