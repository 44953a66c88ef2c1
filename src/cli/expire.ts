import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { withThreads } from "../format/compression-threads.js";
import { commonStore, type Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { lanesIn } from "../repository/lanes.js";
import { formatKeep, parseKeep } from "../repository/registers/keep-policy.js";
import { readSettings } from "../repository/registers/settings.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { TableNames } from "../repository/table-names.js";
import type { StoredObject } from "../storage/object-store.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import type { ExpiryPlan } from "../upkeep/expire.js";
import { type Maintained, maintain, planMaintenance } from "../upkeep/maintain.js";
import { damageFound, damageText } from "./damaged-tables.js";
import { eachLane } from "./each-lane.js";
import { logLine } from "./fold.js";
import {
  durationOption,
  type KeepArguments,
  maintenanceOptions,
  refuseFull,
} from "./maintenance-options.js";
import { counted, formatBytes, formatOptionalInstant, formatTable, type Output } from "./output.js";
import { countedStore } from "./store-use-text.js";

/** The report says from when ages are counted if that is longer before now than this. */
const agedNoteMs = 60_000;

/** What is kept if no tiers are declared. */
const keptForEver = "every change, for ever";

export interface ExpireArguments extends KeepArguments {
  repo: string;
  grace: string;
  /** False if --no-delete is given. */
  delete: boolean;
  dryRun?: boolean;
}

export async function expireCommand(args: ExpireArguments, given: Output): Promise<void> {
  const { store, output } = countedStore(args.repo, given);
  const repository = await openRepository(store);
  if (!args.dryRun) refuseWithoutReader(repository.store);
  const now = systemClock.now();
  const graceMs = args.delete ? durationOption("--grace", args.grace) : undefined;
  const options = await maintenanceOptions(repository, args.dryRun ? {} : args, now);
  const what = { now, graceMs, options };
  await eachLane(await lanesIn(repository), output, (lane, own) =>
    expireLane(lane, args, what, own),
  );
}

interface HowToExpire {
  now: Instant;
  graceMs: number | undefined;
  options: Awaited<ReturnType<typeof maintenanceOptions>>;
}

async function expireLane(
  repository: Repository,
  args: ExpireArguments,
  { now, graceMs, options }: HowToExpire,
  output: Output,
): Promise<void> {
  const declared = async () => (await readSettings(commonStore(repository))).keep;
  if (args.dryRun) {
    const plan = await lookAt(repository, (view) => planMaintenance(view, graceMs, now, args.keep));
    const stored = await declared();
    const keep = args.keep === undefined ? stored : formatKeep(parseKeep(args.keep));
    if (keep !== stored) {
      output.line(`planned with other tiers than those declared: ${stored ?? keptForEver}`);
    }
    await print(repository, keep, plan, output, "would be");
    return;
  }
  const unique = randomUUID().slice(0, 8);
  const done = await withThreads((compressor) =>
    maintain(
      repository,
      { ...options, unique, expires: true, graceMs, compressor },
      { phase: () => undefined, onRows: () => undefined },
    ),
  );
  output.line(logLine(done.log));
  for (const one of await damageFound(repository, done.damaged)) output.line(damageText(one));
  await print(repository, await declared(), done, output, "were");
  refuseFull(done);
}

async function print(
  repository: Repository,
  keep: string | null,
  {
    aged,
    expiry,
    deleted,
  }: Pick<Maintained, "aged" | "deleted"> & {
    expiry: ExpiryPlan | undefined;
  },
  output: Output,
  verb: string,
): Promise<void> {
  const names = await lookAt(repository, (view) => TableNames.read(view));
  const tables = (expiry?.tables ?? []).map((table) => ({
    ...table,
    name: names.nameOf(table.table),
  }));
  const rows = tables.map(({ table, from, fromThen, bases, basesKept }) => [
    names.textOf(table),
    formatOptionalInstant(from),
    formatOptionalInstant(fromThen),
    bases.length,
    basesKept,
  ]);
  output.line(`kept: ${keep ?? keptForEver}`);
  if (keep !== null && aged > 0 && systemClock.now() - aged > agedNoteMs) {
    const why = "the log ends there, or this machine's clock is ahead of the source's";
    output.line(`ages are counted from ${formatInstant(aged)}: ${why}`);
  }
  const head = ["table", "restorable from", "then from", "bases expired", "kept"];
  output.line(formatTable(head, rows));
  const gone = expiry?.names ?? [];
  const logTo = expiry?.expiry?.logTo;
  const isCut = logTo !== undefined && logTo > (expiry?.before?.logTo ?? -1);
  const upTo = isCut ? `, with the log up to ${formatInstant(logTo)}` : "";
  output.line(`${counted(gone.length, "object")} ${verb} expired${upTo}`);
  if (verb === "would be") {
    for (const name of gone) output.line(`  ${name}`);
    if (tables.some(({ from, fromThen, bases }) => from !== fromThen && bases.length === 0)) {
      output.line("  A dry run folds nothing: what can expire only after a fold is not named");
    }
  }
  const { objects, bytes } = sizeOf(deleted);
  output.line(`${counted(objects, "object")}, ${formatBytes(bytes)}, ${verb} deleted`);
  output.result({
    keep,
    agesCountedFrom: formatInstant(aged),
    tables: tables.map(({ from, fromThen, ...table }) => ({
      ...table,
      from: from === undefined ? null : formatInstant(from),
      fromThen: fromThen === undefined ? null : formatInstant(fromThen),
    })),
    expired: { logTo: isCut ? formatInstant(logTo) : null, names: gone },
    deleted: { objects, bytes, names: deleted.map(({ name }) => name) },
  });
}

function sizeOf(objects: StoredObject[]) {
  return { objects: objects.length, bytes: objects.reduce((sum, { size }) => sum + size, 0) };
}
