import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { type FoldedTable, fold } from "../fold/fold.js";
import { formatInstant, parseInstant } from "../instant.js";
import { catalogAt, tableNamed } from "../repository/catalog.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { formatBytes, formatCount, formatTable, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";

export interface FoldArguments {
  repo: string;
  at?: string;
  table: string[];
}

export async function foldCommand(args: FoldArguments, output: Output): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const until = args.at === undefined ? now : parseInstant(args.at, now);
  const catalog = await catalogAt(repository.store, until);
  const names = new Map(catalog.tables().map((table) => [table.id, `${table.db}.${table.name}`]));
  const nameOf = (id: string) => names.get(id) ?? id;
  const tables = args.table.map((name) => tableNamed(catalog, name, until).id);
  const progress = new ProgressLines();
  const folded = await fold(repository, {
    until,
    ...(tables.length > 0 ? { tables } : {}),
    unique: randomUUID().slice(0, 8),
    onRows: (id, rows) =>
      progress.set("fold", `folding ${nameOf(id)}: ${formatCount(rows)} documents`),
  });
  progress.clear();
  const rows = folded.map((table) => [
    nameOf(table.table),
    formatInstant(table.instant),
    table.rows,
    table.versions,
    partsText(table),
    formatBytes(table.bytesRead),
    formatBytes(table.bytesWritten),
    outcome(table),
  ]);
  output.line(
    formatTable(
      ["table", "base at", "documents", "versions merged", "parts written", "read", "written", ""],
      rows,
    ),
  );
  output.result({
    tables: folded.map((table) => ({
      ...table,
      name: nameOf(table.table),
      instant: formatInstant(table.instant),
    })),
  });
}

/** How many of the base's parts were written; the others are parts of the base before. */
function partsText({ partsWritten, partsKept }: FoldedTable): string {
  return `${formatCount(partsWritten)} of ${formatCount(partsWritten + partsKept)}`;
}

function outcome({ folded, breaks }: FoldedTable): string {
  if (breaks > 0) return `${breaks} BROKEN CHAINS: changes were missed; evidence is stored`;
  return folded ? "new base" : "was as new already";
}
