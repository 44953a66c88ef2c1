/** What the repository has of one table: its schemas, its bases, its log, and what a restore of it reads. */
import type { IndexStatus } from "../catalog-record.js";
import { systemClock } from "../clock.js";
import { costOfRestore, type RestoreCost } from "../costs/estimate.js";
import type { PriceProfile } from "../costs/prices.js";
import { formatInstant, type Instant } from "../instant.js";
import { type TableSchema, tableSchemas } from "../recovery/table-schemas.js";
import type { FoldedPart } from "../repository/log/folded.js";
import { noTotals, totalsAt } from "../repository/log/totals.js";
import { readRates } from "../repository/registers/rates.js";
import { openRepository } from "../repository/repository.js";
import { lookAt, type RepositoryView } from "../repository/repository-view.js";
import { tagOf } from "../restore/tag.js";
import { estimateRestore } from "../upkeep/schedule.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { counted, formatBytes, formatTable, type Output } from "./output.js";
import { profileOf } from "./plan-costs.js";
import { tableThen } from "./table-then.js";

export interface TableArguments {
  repo: Repos;
  /** Says what a restore of the table to the newest instant reads. */
  reads?: boolean;
  profile?: string;
  prices?: string;
}

export async function tableCommand(
  name: string,
  args: TableArguments,
  output: Output,
): Promise<void> {
  const profile = await profileOf(args);
  const repository = await openRepository(await copiesAt(args.repo, output));
  await lookAt(repository, async (view) => {
    const { id, until } = await tableThen(view, name, undefined, systemClock.now());
    if (args.reads) {
      tellReads(name, await readsOf(view, id, until), profile, output);
      return;
    }
    const schemas = (await tableSchemas(view, id)).reverse();
    const [bases, logs] = [await basesOf(view, id), await logsOf(view, id)];
    tell(name, { schemas, bases, logs }, output);
    output.result({ table: name, id, schemas: schemas.map(schemaResult), bases, logs });
  });
}

type Bases = Awaited<ReturnType<typeof basesOf>>;
type Logs = Awaited<ReturnType<typeof logsOf>>;

/** The bases with which a restore can begin, the newest first. */
async function basesOf(view: RepositoryView, table: string) {
  const bases = [];
  for (const lane of view.lanes) {
    for (const base of (await lane.bases()).usable.get(table) ?? []) {
      bases.push({
        at: formatInstant(base.instant),
        lane: lane.lane,
        documents: base.rows,
        documentBytes: base.documentBytes,
        storedBytes: storedBytes(base.parts),
        parts: base.parts.length,
      });
    }
  }
  return bases.sort((a, b) => (a.at < b.at ? 1 : -1));
}

const storedBytes = (parts: readonly { bytes: number }[]) =>
  parts.reduce((sum, { bytes }) => sum + bytes, 0);

/** The log of each lane in which the table was captured. Segments hold the changes of all tables of their lane. */
async function logsOf(view: RepositoryView, table: string) {
  const logs = [];
  for (const { view: lane, coverage } of await view.eachLane()) {
    if (!coverage.tables.has(table)) continue;
    const { pieces } = lane.log;
    const folded = pieces.filter((piece) => piece.kind === "folded");
    const parts = folded.flatMap(({ manifest }) => partsOf(manifest.tables, table));
    const [first, last] = [pieces[0], pieces.at(-1)];
    const { changes, bytes } =
      (await totalsAt(lane.log, Number.MAX_SAFE_INTEGER)).get(table) ?? noTotals;
    logs.push({
      lane: lane.lane,
      from: first ? formatInstant(first.from) : null,
      to: last ? formatInstant(last.to) : null,
      changes,
      lineBytes: bytes,
      segments: pieces.length - folded.length,
      foldedSegments: folded.length,
      foldedBytes: storedBytes(parts),
    });
  }
  return logs;
}

const partsOf = (
  tables: readonly { table: string; parts: FoldedPart[] }[],
  wanted: string,
): FoldedPart[] => tables.find(({ table }) => table === wanted)?.parts ?? [];

interface Reads {
  /** The base that a restore begins with; undefined if the table has none. */
  base: Instant | undefined;
  /** Of the base. */
  documents: number;
  objects: number;
  /** Bytes of these objects, at most: what lies in segments is counted as it was before it was compressed. */
  bytes: number;
  seconds: number;
  /** False if no restore was measured yet: then the time is a guess, on the long side. */
  isMeasured: boolean;
}

/** What a restore of the table to its newest instant reads, and about how long it takes. */
async function readsOf(view: RepositoryView, table: string, until: Instant): Promise<Reads> {
  const { view: lane } = await view.laneOf(table, until);
  const base = await lane.newestBase(table, until);
  const { isMeasured, ...rates } = await readRates(view.common);
  const none = { base: undefined, documents: 0, objects: 0, bytes: 0, seconds: 0, isMeasured };
  if (!base) return none;
  const later = lane.log.pieces.filter(({ to, from }) => to > base.logFrom && from <= until);
  const folded = later.filter((piece) => piece.kind === "folded");
  const parts = folded.flatMap(({ manifest }) => partsOf(manifest.tables, table));
  const segments = later.length - folded.length;
  const bytesUntil = async (at: Instant) => (await totalsAt(lane.log, at)).get(table)?.bytes ?? 0;
  const afterFolded = Math.max(base.logFrom, folded.at(-1)?.to ?? base.logFrom);
  const [end, begin] = [await bytesUntil(until), await bytesUntil(base.logFrom)];
  const lines = segments > 0 ? Math.max(0, end - (await bytesUntil(afterFolded))) : 0;
  const load = {
    documents: base.rows,
    documentBytes: base.documentBytes,
    logBytes: Math.max(0, end - begin),
    rates,
  };
  return {
    base: base.instant,
    documents: base.rows,
    objects: 1 + base.parts.length + folded.length + parts.length + segments,
    bytes: storedBytes(base.parts) + storedBytes(parts) + lines,
    seconds: estimateRestore(load) / 1000,
    isMeasured,
  };
}

function tellReads(
  name: string,
  { base, ...reads }: Reads,
  profile: PriceProfile | undefined,
  output: Output,
): void {
  if (base === undefined) {
    output.line(`${name} has no complete base yet: it cannot be restored`);
    output.result({ table: name, base: null, ...reads, requests: null, cost: null });
    return;
  }
  // Without a profile the requests are counted all the same.
  const found = costOfRestore(reads, profile ?? freeOfCharge);
  const cost = profile ? costResult(found, profile) : null;
  const { get, list } = found.requests;
  output.line(
    `a restore of ${name} to its newest instant begins with the base of ${formatInstant(base)}`,
  );
  output.line(
    `it reads ${counted(reads.objects, "object")}, at most ${formatBytes(reads.bytes)}: ${get} GET, ${list} LIST`,
  );
  const guess = reads.isMeasured ? "" : ", guessed: no restore was measured yet";
  output.line(`it takes about ${reads.seconds.toFixed(1)} s${guess}`);
  if (cost) output.line(`it costs ${cost.total.toFixed(4)} ${cost.currency} (${cost.profile})`);
  const requests = { get, list };
  output.result({ table: name, base: formatInstant(base), ...reads, requests, cost });
}

const freeOfCharge: PriceProfile = {
  name: "none",
  asOf: "2026-07",
  currency: "",
  per1000: { put: 0, get: 0, head: 0, list: 0, delete: 0 },
  storagePerGbMonth: 0,
  egressPerGb: 0,
  retrievalPerGb: 0,
  minimumDays: 0,
};

const costResult = (
  { requestCost, bytesCost, total }: RestoreCost,
  { name, asOf, currency }: PriceProfile,
) => ({ profile: name, asOf, currency, requestCost, bytesCost, total });

function schemaResult({ at, changes, config, indexes }: TableSchema): object {
  const head = { at: formatInstant(at), changes };
  if (!config) return { ...head, schema: null };
  const { db, name, primary_key, durability, write_acks, shards, error } = config;
  return {
    ...head,
    schema: {
      name: `${db}.${name}`,
      primaryKey: primary_key,
      durability,
      writeAcks: write_acks,
      shards: (shards ?? []).map((one) => ({
        primary: one.primary_replica,
        replicas: one.replicas,
      })),
      indexes: indexes.map(indexResult),
      // The tag of a half-filled table is nobody's hook.
      writeHook: hookOf(config),
      reason: error ?? null,
    },
  };
}

const indexResult = ({ index, multi, geo, query }: IndexStatus) => {
  return { name: index, multi, geo, code: query };
};

function hookOf({ write_hook: hook }: { write_hook: { function: object; query: string } | null }) {
  return hook && !tagOf(hook) ? { code: hook.query } : null;
}

function tell(
  name: string,
  { schemas, bases, logs }: { schemas: TableSchema[]; bases: Bases; logs: Logs },
  output: Output,
): void {
  output.line(`${name}, its schema, the newest first:`);
  for (const { at, changes } of schemas) output.line(`${formatInstant(at)}  ${changes.join(", ")}`);
  const config = schemas[0]?.config;
  if (config) {
    for (const { index, query } of schemas[0]!.indexes) output.line(`  index ${index}: ${query}`);
    const hook = hookOf(config);
    if (hook) output.line(`  write hook: ${hook.code}`);
  }
  output.line("");
  output.line(
    formatTable(
      ["base", "documents", "stored", "parts"],
      bases.map(({ at, documents, storedBytes: bytes, parts }) => [
        at,
        documents,
        formatBytes(bytes),
        parts,
      ]),
    ),
  );
  for (const { lane, segments, foldedSegments, foldedBytes, changes } of logs) {
    const folded = `${counted(foldedSegments, "folded segment")} with ${formatBytes(foldedBytes)} of it`;
    output.line(
      `\nlog of lane ${lane}: ${counted(changes, "change")}; ${counted(segments, "segment")}, ${folded}`,
    );
  }
}
