import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { messageOf } from "../errors.js";
import { withThreads } from "../format/compression-threads.js";
import { commonStore, type Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { lanesIn } from "../repository/lanes.js";
import { noteRates } from "../repository/registers/rates.js";
import { openRepository } from "../repository/repository.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { type Load, readLoad } from "../upkeep/load.js";
import { maintain } from "../upkeep/maintain.js";
import { locksText } from "../upkeep/renew-locks.js";
import {
  estimateRestore,
  type FoldDecision,
  foldDue,
  parseFoldSchedule,
  proposedObjective,
} from "../upkeep/schedule.js";
import { damageFound, damageText } from "./damaged-tables.js";
import { eachLane } from "./each-lane.js";
import { refuseCutOff } from "./expected-head.js";
import { logLine } from "./fold.js";
import { proveReaders } from "./key-state.js";
import {
  durationOption,
  type KeepArguments,
  maintenanceOptions,
  refuseFull,
} from "./maintenance-options.js";
import { counted, formatBytes, formatCount, type Output } from "./output.js";
import { countedStore } from "./store-use-text.js";

/** When bases are made, and what is kept. `run` passes the same options on. */
export interface MaintainArguments extends KeepArguments {
  repo: string;
  foldEvery: string;
  foldAt?: string;
  restoreWithin?: string;
  /** Without --restore-within, aim at a restore time that can be reached on this machine. */
  auto?: boolean;
  grace: string;
  /** False if --no-delete is given. */
  delete: boolean;
  /** The operator vouches that nothing else writes to a store without conditional writes. */
  singleWriter?: boolean;
  /** Checked when it begins; what `run` runs beside itself is not held to it again. */
  expectHead?: string;
}

function decide(args: MaintainArguments, load: Load, now: Instant): FoldDecision {
  const schedule = parseFoldSchedule(args);
  const { lastFold } = load;
  if (lastFold === undefined) return { due: false, reason: "nothing has changed since the bases" };
  const estimateMs = estimateRestore(load);
  const foldedEstimateMs = estimateRestore({ ...load, logBytes: 0 });
  const objectiveMs = schedule.objectiveMs ?? (args.auto ? proposedObjective(load) : undefined);
  return foldDue({ ...schedule, objectiveMs, now, lastFold, estimateMs, foldedEstimateMs });
}

/** A rate measured on fewer bytes than this is mostly noise. */
const measuredBytesMin = 16 * 1024 * 1024;

/** Runs one round: folds the log, makes bases if they are due, expires and deletes what is not kept. */
export async function maintainCommand(args: MaintainArguments, given: Output): Promise<void> {
  const { store, output } = countedStore(args.repo, given, args);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  await refuseCutOff(repository, args.expectHead);
  const options = await maintenanceOptions(repository, args, systemClock.now());
  await proveKeys(repository, output);
  const locks =
    repository.store.lockMs === undefined && (await locksText(repository, systemClock.now()));
  if (locks) output.note(`thinkback: ${locks}`);
  await eachLane(await lanesIn(repository), output, (lane, own) =>
    maintainLane(lane, args, options, own),
  );
}

/** A proof that cannot be stored or made is told, and no reason not to maintain. */
async function proveKeys(repository: Repository, output: Output): Promise<void> {
  try {
    for (const name of await proveReaders(repository, systemClock.now())) {
      output.line(`the key ${name} opens what is stored: proven`);
    }
  } catch (error) {
    output.note(`thinkback: a key cannot be proven: ${messageOf(error)}`);
  }
}

async function maintainLane(
  repository: Repository,
  args: MaintainArguments,
  options: Awaited<ReturnType<typeof maintenanceOptions>>,
  output: Output,
): Promise<void> {
  const now = systemClock.now();
  let decided: { load: Load; due: FoldDecision } | undefined;
  const began = performance.now();
  const graceMs = args.delete ? durationOption("--grace", args.grace) : undefined;
  const { log, tables, damaged, deleted, full } = await withThreads((compressor) =>
    maintain(
      repository,
      {
        ...options,
        unique: randomUUID().slice(0, 8),
        partial: false,
        bases: async (view) => {
          const load = await readLoad(view);
          const due = decide(args, load, now);
          decided = { load, due };
          return due.due ? { until: now, skipUnchanged: true } : undefined;
        },
        expires: true,
        graceMs,
        compressor,
      },
      { phase: () => undefined, onRows: () => undefined },
    ),
  );
  const { load, due } = decided!;
  const seconds = (performance.now() - began) / 1000;
  const folded = tables.filter((table) => table.folded);
  const breaks = tables.reduce((sum, table) => sum + table.breaks, 0);
  if (!full && folded.length > 0 && load.logBytes > measuredBytesMin) {
    await noteRates(
      commonStore(repository),
      { mergeBytesPerSecond: Math.round(load.logBytes / seconds) },
      now,
    );
  }
  const bytesDeleted = deleted.reduce((sum, { size }) => sum + size, 0);
  output.line(`bases: ${due.reason}; ${formatCount(folded.length)} made`);
  if (breaks > 0)
    output.line(`${formatCount(breaks)} BROKEN CHAINS: changes were missed; evidence is stored`);
  const found = await damageFound(repository, damaged);
  for (const one of found) output.line(damageText(one));
  output.line(logLine(log));
  output.line(`${counted(deleted.length, "object")}, ${formatBytes(bytesDeleted)}, deleted`);
  output.result({
    at: formatInstant(now),
    reason: due.reason,
    estimatedRestoreSeconds: estimateRestore(load) / 1000,
    bases: folded.length,
    breaks,
    damaged: found,
    log,
    deleted: { objects: deleted.length, bytes: bytesDeleted },
    seconds,
  });
  refuseFull({ deleted, full });
}
