import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { type AsOf, asOf, type NoState } from "../repository/coverage/as-of.js";
import { catalogFor } from "../repository/coverage/catalog-for.js";
import type { Catalog } from "../repository/log/catalog.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { classText } from "../restore/inexact.js";
import { stillToCome } from "../restore/when-proven.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { instantOf } from "./instant-of.js";
import { formatTable, type Output } from "./output.js";

export interface CatalogArguments {
  repo: Repos;
  at?: string;
  diff?: string[];
}

/** Prints the catalog as of an instant, or what changed between two instants. */
export async function catalogCommand(args: CatalogArguments, output: Output): Promise<void> {
  const repository = await openRepository(await copiesAt(args.repo, output));
  const now = systemClock.now();
  if (args.diff) {
    if (args.diff.length !== 2) {
      throw new ThinkbackError("usage", "--diff takes two times", {
        hint: 'such as --diff "1 hour ago" now',
      });
    }
    const [from, to] = (await Promise.all(
      args.diff.map((text) => pastInstant(text, repository, now)),
    )) as [number, number];
    const [before, after, classes] = await lookAt(repository, async (view) => {
      const coverage = catalogFor(await view.coverage());
      const known = [from, to].map((at) => knownText(asOf(coverage, at, "before")));
      return [await view.catalog(from), await view.catalog(to), known] as const;
    });
    const [begin, end] = [from, to].map((at, i) => `${formatInstant(at)} (${classes[i]})`);
    output.note(`catalog changes from ${begin} to ${end}`);
    if (before.records.size === 0) throw nothingKnown(from);
    printDiff(before, after, output);
    return;
  }
  const asked = args.at === undefined ? undefined : await pastInstant(args.at, repository, now);
  await lookAt(repository, async (view) => {
    const coverage = catalogFor(await view.coverage());
    const at = asked ?? coverage?.frontier ?? view.log.to ?? now;
    const catalog = await view.catalog(at);
    if (catalog.records.size === 0) throw nothingKnown(at);
    output.note(`catalog at ${formatInstant(at)} (${knownText(asOf(coverage, at, "before"))})`);
    printCatalog(catalog, output);
  });
}

async function pastInstant(text: string, repository: Repository, now: Instant): Promise<Instant> {
  const at = await instantOf(text, repository, now);
  if (at > now) throw stillToCome(at);
  return at;
}

function nothingKnown(at: Instant): ThinkbackError {
  return new ThinkbackError("instant", `nothing is known of the catalog at ${formatInstant(at)}`, {
    hint: "`thinkback status` says from when on it was captured",
  });
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
        .join(", ") || "none but admin"
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
  record: string[];
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
    differences.push({
      record: JSON.parse(key) as string[],
      change,
      before: parse(a),
      after: parse(b),
    });
  }
  const names = namesIn(before, after);
  for (const { record, change, before: a, after: b } of differences) {
    // Every table has a record of its indexes; an empty one is not worth a line when the table is made or dropped.
    if (record[0] === "indexes" && change !== "changed" && indexesIn(b ?? a).length === 0) continue;
    output.line(`${change} ${describe(record, (b ?? a) as object, names)}`);
    if (change === "changed") {
      for (const line of changedFields(a as object, b as object)) output.line(`  ${line}`);
    }
  }
  if (differences.length === 0) output.line("nothing changed");
  output.result({ differences });
}

/** What a record is about, in words. @param names of the ids in its key, from the two catalogs */
function describe(
  [kind = "", ...ids]: string[],
  value: object,
  names: Map<string, string>,
): string {
  const named = (id: string) => names.get(id) ?? id;
  switch (kind) {
    case "cluster":
      return "servers of the cluster";
    case "indexes":
      return `indexes of ${named(ids[0]!)}: ${indexesIn(value).join(", ") || "none"}`;
    case "permission": {
      const [user, ...scope] = ids;
      return `permission of ${user} on ${scope.length === 0 ? "everything" : named(scope.at(-1)!)}`;
    }
    case "db":
      return `database ${named(ids[0]!)}`;
    default:
      return `${kind} ${named(ids[0]!)}`;
  }
}

function indexesIn(value: unknown): string[] {
  return (value as { indexes: { index: string }[] }).indexes.map(({ index }) => index);
}

/** Names of databases, tables and servers, by their ids. */
function namesIn(...catalogs: Catalog[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const catalog of catalogs) {
    for (const { id, name } of [...catalog.servers(), ...catalog.databases()]) names.set(id, name);
    for (const { id, db, name } of catalog.tables()) names.set(id, `${db}.${name}`);
  }
  return names;
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
