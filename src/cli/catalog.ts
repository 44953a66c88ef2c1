import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { type AsOf, asOf, type NoState } from "../repository/as-of.js";
import { type Catalog, catalogAt } from "../repository/catalog.js";
import { readAllCoverage } from "../repository/coverage-reader.js";
import { LogView } from "../repository/log-view.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { classText } from "../restore/inexact.js";
import { formatTable, type Output } from "./output.js";

export interface CatalogArguments {
  repo: string;
  at?: string;
  diff?: string[];
}

/** Shows the catalog as of an instant, or what changed between two. */
export async function catalogCommand(args: CatalogArguments, output: Output): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  if (args.diff) {
    if (args.diff.length !== 2) {
      throw new ThinkbackError("usage", "--diff takes two times", {
        hint: 'such as --diff "1 hour ago" now',
      });
    }
    const [from, to] = args.diff.map((text) => parseInstant(text, now)) as [number, number];
    output.note(`catalog changes from ${formatInstant(from)} to ${formatInstant(to)}`);
    printDiff(await catalogAt(store, from), await catalogAt(store, to), output);
    return;
  }
  const view = await LogView.read(store);
  const { catalog: coverage } = await readAllCoverage(view);
  const at =
    args.at === undefined ? (coverage?.frontier ?? view.to ?? now) : parseInstant(args.at, now);
  const of = asOf(coverage, at, "before");
  output.note(`catalog at ${formatInstant(at)} (${knownText(of)})`);
  printCatalog(await catalogAt(view, at), output);
}

function knownText(of: AsOf | NoState): string {
  const isKnown = of.class === "exact" || of.instant === undefined || of.class === "late";
  return isKnown ? classText(of) : `${of.class}; known up to ${formatInstant(of.instant!)}`;
}

function printCatalog(catalog: Catalog, output: Output): void {
  const rows = catalog.tables().map((table) => [
    `${table.db}.${table.name}`,
    table.primary_key,
    catalog
      .indexes(table.id)
      .map(({ index }) => index)
      .join(", ") || "-",
    table.write_hook ? "yes" : "-",
    `${table.shards.length} × ${Math.max(0, ...table.shards.map(({ replicas }) => replicas.length))}`,
    `${table.durability}, ${table.write_acks}`,
  ]);
  const head = [
    "table",
    "primary key",
    "indexes",
    "write hook",
    "shards × replicas",
    "durability, acks",
  ];
  output.line(formatTable(head, rows));
  output.line(
    `\ndatabases: ${
      catalog
        .databases()
        .map(({ name }) => name)
        .join(", ") || "-"
    }`,
  );
  output.line(
    `users: ${
      catalog
        .users()
        .map(({ id }) => id)
        .join(", ") || "-"
    }`,
  );
  output.result({
    databases: catalog.databases(),
    tables: catalog.tables().map((table) => ({ ...table, indexStatus: catalog.indexes(table.id) })),
    users: catalog.users(),
    grants: catalog.grants(),
  });
}

interface Difference {
  record: unknown;
  change: "added" | "removed" | "changed";
  before: unknown;
  after: unknown;
}

function printDiff(before: Catalog, after: Catalog, output: Output): void {
  const keys = new Set([...before.records.keys(), ...after.records.keys()]);
  const differences: Difference[] = [];
  for (const key of [...keys].sort()) {
    const [a, b] = [before.records.get(key), after.records.get(key)];
    if (a === b) continue;
    const change = a === undefined ? "added" : b === undefined ? "removed" : "changed";
    const parse = (text: string | undefined): unknown =>
      text === undefined ? null : JSON.parse(text);
    differences.push({ record: JSON.parse(key), change, before: parse(a), after: parse(b) });
  }
  for (const { record, change, before: a, after: b } of differences) {
    const [kind] = record as string[];
    output.line(`${change} ${kind} ${describe(b ?? a)}`);
    if (change === "changed") {
      for (const line of changedFields(a as object, b as object)) output.line(`  ${line}`);
    }
  }
  if (differences.length === 0) output.line("nothing changed");
  output.result({ differences });
}

function describe(value: unknown): string {
  const { db, name, id, user, indexes } = value as Record<string, unknown>;
  if (Array.isArray(indexes) && name === undefined) {
    return `(${indexes.map((index) => (index as { index: string }).index).join(", ") || "none"})`;
  }
  if (typeof db === "string" && typeof name === "string") return `${db}.${name}`;
  return JSON.stringify(name ?? user ?? id);
}

function changedFields(a: object, b: object): string[] {
  const fields = new Set([...Object.keys(a), ...Object.keys(b)]);
  const textOf = (value: object, field: string) =>
    JSON.stringify((value as Record<string, unknown>)[field]) ?? "absent";
  return [...fields]
    .filter((field) => textOf(a, field) !== textOf(b, field))
    .map((field) => `${field}: ${short(textOf(a, field))} → ${short(textOf(b, field))}`);
}

function short(text: string): string {
  return text.length > 100 ? `${text.slice(0, 97)}…` : text;
}
