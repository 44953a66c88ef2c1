import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import type { FoldedTable } from "../fold/fold.js";
import type { FoldedLog } from "../fold/fold-log.js";
import { withThreads } from "../format/compression-threads.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant, parseInstant } from "../instant.js";
import { lanesIn } from "../repository/lanes.js";
import { tableNamed } from "../repository/log/catalog.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { TableNames } from "../repository/table-names.js";
import { refuseTwoChoices } from "../restore/request.js";
import { refuseStillToCome } from "../restore/when-proven.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { maintain } from "../upkeep/maintain.js";
import { eachLane } from "./each-lane.js";
import { type KeepArguments, maintenanceOptions } from "./maintenance-options.js";
import { counted, formatBytes, formatCount, formatTable, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";
import { countedStore } from "./store-use-text.js";

export interface FoldArguments extends KeepArguments {
  repo: string;
  at?: string;
  table: string[];
}

export async function foldCommand(args: FoldArguments, given: Output): Promise<void> {
  refuseTwoChoices({ tables: args.table, databases: [] });
  const { store, output } = countedStore(args.repo, given);
  const repository = await openRepository(store);
  refuseWithoutReader(repository.store);
  const now = systemClock.now();
  const until = args.at === undefined ? now : parseInstant(args.at, now);
  await refuseStillToCome(repository, until, now);
  const options = await maintenanceOptions(repository, args, now);
  const { catalog, names } = await lookAt(repository, async (view) => ({
    catalog: await view.catalog(until),
    names: await TableNames.read(view, until),
  }));
  const tables = args.table.map((name) => tableNamed(catalog, name, until).id);
  const what = { until, tables, names, options };
  await eachLane(await lanesIn(repository), output, (lane, own) => foldLane(lane, what, own));
}

interface WhatToFold {
  until: Instant;
  /** All, if empty. */
  tables: string[];
  names: TableNames;
  options: Awaited<ReturnType<typeof maintenanceOptions>>;
}

async function foldLane(
  lane: Repository,
  { until, tables, names, options }: WhatToFold,
  output: Output,
): Promise<void> {
  const progress = new ProgressLines();
  try {
    const { log, tables: folded } = await withThreads((compressor) =>
      maintain(
        lane,
        {
          ...options,
          unique: randomUUID().slice(0, 8),
          bases: () => ({ until, ...(tables.length > 0 ? { tables } : {}) }),
          expires: false,
          graceMs: undefined,
          compressor,
        },
        {
          phase: () => progress.clear(),
          onRows: (id, rows) =>
            progress.set("fold", `folding ${names.textOf(id)}: ${counted(rows, "document")}`),
        },
      ),
    );
    progress.clear();
    printFolded(folded, log, names, output);
    output.result({
      log,
      tables: folded.map((table) => ({
        ...table,
        name: names.nameOf(table.table),
        instant: formatInstant(table.instant),
      })),
    });
  } finally {
    progress.clear();
  }
}

function printFolded(
  folded: FoldedTable[],
  log: FoldedLog,
  names: TableNames,
  output: Output,
): void {
  const rows = folded.map((table) => [
    names.textOf(table.table),
    formatInstant(table.instant),
    table.rows,
    table.versions,
    partsText(table),
    formatBytes(table.bytesRead),
    formatBytes(table.bytesWritten),
    outcome(table),
  ]);
  const head = ["table", "base at", "documents", "versions merged", "parts written", "read"];
  output.line(formatTable([...head, "written", ""], rows));
  output.line(logLine(log));
}

/** What was folded of the log, in one line. */
export function logLine(log: FoldedLog): string {
  if (log.written === 0) return "log: nothing to fold";
  const thinned = log.thinned > 0 ? `, ${formatCount(log.thinned)} of them thinned` : "";
  return (
    `log: ${formatCount(log.written)} folded segments written${thinned}, ` +
    `${formatBytes(log.bytesRead)} read, ${formatBytes(log.bytesWritten)} written`
  );
}

/** How many of the base's parts were written; the other parts are shared with the base before. */
function partsText({ partsWritten, partsKept }: FoldedTable): string {
  return `${formatCount(partsWritten)} of ${formatCount(partsWritten + partsKept)}`;
}

function outcome({ folded, breaks }: FoldedTable): string {
  if (breaks > 0) return `${breaks} BROKEN CHAINS: changes were missed; evidence is stored`;
  return folded ? "new base" : "its base was as new already";
}
