/** What a month and a restore cost in a price profile, from the measured rates: the part of `plan` for buckets. */
import { readFile } from "node:fs/promises";
import {
  costOfMonth,
  costOfRestore,
  type MonthCost,
  type RequestCounts,
  type RestoreCost,
} from "../costs/estimate.js";
import { chargesRequests, type PriceProfile, parseProfile, profileNamed } from "../costs/prices.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import type { KeepTier } from "../repository/registers/keep-policy.js";
import { requestsPerDay, type SourceRates, segmentsPerDay } from "../upkeep/proposal.js";
import { formatBytes, formatCount, formatTable, type Output } from "./output.js";

const dayMs = 86_400_000;
/** Requests of an idle capture for wishes, evidence, settings and its own log, with each of its segments. */
const listsPerLook = 3;
const headsPerLook = 5;
/** Requests of a round of maintenance in which nothing is due, as counted in the simulation. */
const roundPuts = 2;
const roundLists = 6;
/** How often a version is written for hours only: into a folded segment, and into that of an hour. */
const hourlyRewrites = 2;

/** The profile that is asked for, by name or by file; undefined if neither is given. */
export async function profileOf(given: {
  profile?: string;
  prices?: string;
}): Promise<PriceProfile | undefined> {
  const { profile, prices } = given;
  if (prices === undefined) return profile === undefined ? undefined : profileNamed(profile);
  const text = await readFile(prices, "utf8").catch((error: unknown) => {
    throw new ThinkbackError("usage", `--prices ${prices}: ${messageOf(error)}`, {
      hint: "give a file of YAML or JSON",
      cause: error,
    });
  });
  return parseProfile(text, prices);
}

export interface LaneCosts {
  month: MonthCost;
  /** A month of a copy in such a store that `run` keeps up to date, and that is mirrored. */
  copy: MonthCost;
  restore: RestoreCost & { seconds: number };
}

interface Measured {
  rates: SourceRates;
  tickMs: number;
  foldEveryMs: number;
  /** The tiers that count, and how many bytes are stored at most by them. */
  tiers: KeepTier[];
  storedBytes: number;
  restoreMs: number;
}

/** What a store is told about whether it charges for requests. */
type Charges = { chargesRequests?: true };

/** Requests per day of a capture with ticks of this length, and of the maintenance beside it. */
export function requestsOfTicks(
  changesPerDay: number,
  tickMs: number,
  { tables, foldEveryMs }: { tables: number; foldEveryMs: number },
  charges: Charges,
): { segments: number; rounds: number; puts: number; gets: number } {
  const segments = segmentsPerDay(changesPerDay, tickMs, idlePaceMs(charges));
  const { puts, gets } = requestsPerDay(segments, tables, foldEveryMs);
  const rounds = dayMs / (charges.chargesRequests ? 1_800_000 : 300_000);
  return { segments, rounds, puts: puts + rounds * roundPuts, gets };
}

/** How often `run` looks through a repository and a copy for what the copy lacks, and how often it lists both then. */
const copyLooksPerDay = 48;
const listingsPerCopyLook = 4;

export function laneCosts(measured: Measured, profile: PriceProfile): LaneCosts {
  const { rates, tickMs, foldEveryMs, tiers, storedBytes, restoreMs } = measured;
  const charges: Charges = chargesRequests(profile) ? { chargesRequests: true } : {};
  const changes = rates.tables.reduce((sum, of) => sum + of.changesPerDay, 0);
  const linesPerDay = rates.tables.reduce(
    (sum, of) => sum + of.changesPerDay * of.bytesPerChange,
    0,
  );
  const of = { tables: rates.tables.length, foldEveryMs };
  const { segments, rounds, puts: put, gets } = requestsOfTicks(changes, tickMs, of, charges);
  const looks = dayMs / idlePaceMs(charges);
  const perDay: RequestCounts = {
    put,
    get: gets,
    head: looks * headsPerLook,
    list: looks * listsPerLook + rounds * roundLists,
    // What is stored is deleted one day.
    delete: put,
  };
  const segmentBytes = segments * rates.segmentBytes;
  const baseBytes = baseBytesPerDay(rates, foldEveryMs);
  const stored = {
    storedBytes,
    deleted: [
      { bytesPerDay: segmentBytes + hourlyRewrites * linesPerDay + baseBytes, livesDays: 0 },
      ...expiring(rates, tiers),
    ],
  };
  // A fold reads what it writes anew: lines for an hour, a day and a base, and the parts of the base.
  const foldedBytes = 3 * linesPerDay + baseBytes;
  const readBytesPerDay = segmentBytes + foldedBytes;
  const month = costOfMonth({ requestsPerDay: perDay, ...stored, readBytesPerDay }, profile);
  const pages = Math.max(1, Math.ceil(rates.objects / 1000));
  const ofCopy: RequestCounts = {
    put,
    // Segments come from memory; what folds make is read.
    get: put - segments,
    head: 0,
    list: copyLooksPerDay * listingsPerCopyLook * pages,
    delete: put,
  };
  const copy = costOfMonth(
    { requestsPerDay: ofCopy, ...stored, readBytesPerDay: foldedBytes },
    profile,
  );
  const bases = rates.tables.reduce((sum, of) => sum + of.baseBytes + of.manifestBytes, 0);
  // The log since the last bases: at most as much as comes between two folds, in segments.
  const share = foldEveryMs / dayMs;
  const objects = 2 * rates.tables.length + Math.ceil(segments * share);
  const restore = costOfRestore({ objects, bytes: bases + share * segmentBytes }, profile);
  return { month, copy, restore: { ...restore, seconds: restoreMs / 1000 } };
}

/** At most how many bytes of bases are written in a day. Nearly all of them are replaced within the day. */
function baseBytesPerDay({ tables }: SourceRates, foldEveryMs: number): number {
  const foldsPerDay = dayMs / foldEveryMs;
  return tables.reduce((sum, { changesPerDay, baseBytes, baseShare, manifestBytes }) => {
    // A fold makes no base of a table that has not changed.
    const share = 1 - Math.exp(-changesPerDay / foldsPerDay);
    return sum + foldsPerDay * share * (baseBytes * baseShare + manifestBytes);
  }, 0);
}

/** The log of a day as each tier keeps it, until it is thinned, which writes it anew, or expires. */
function expiring({ tables }: SourceRates, tiers: KeepTier[]) {
  return tiers.map(({ resolutionMs, ageMs }, i) => {
    const kept = tables.map((of) => of.keptPerDay(resolutionMs) * of.bytesPerChange);
    const livesMs = ageMs - (tiers[i - 1]?.ageMs ?? 0);
    return { bytesPerDay: kept.reduce((sum, one) => sum + one, 0), livesDays: livesMs / dayMs };
  });
}

export function printCosts(
  costs: LaneCosts,
  keep: string,
  profile: PriceProfile,
  output: Output,
): void {
  const { month, copy, restore } = costs;
  const money = (cost: number) => `${cost.toFixed(2)} ${profile.currency}`;
  const requestsOf = ({ put, get, head, list }: RequestCounts) =>
    `${formatCount(put)} PUT, ${formatCount(get)} GET, ${formatCount(head)} HEAD, ${formatCount(list)} LIST`;
  output.line("");
  output.line(
    formatTable(
      [`with ${profile.name} of ${profile.asOf}, kept "${keep}"`, "cost"],
      [
        [`a month's requests: ${requestsOf(month.requests)}`, money(month.requestCost)],
        ["a month's storage, at most", money(month.storageCost)],
        [minimumText(profile), money(month.minimumCost)],
        ["a month's retrieval", money(month.retrievalCost)],
        ["A MONTH", money(month.total)],
        [
          `EACH COPY that \`run\` keeps there, a month: ${requestsOf(copy.requests)}`,
          money(copy.total),
        ],
        [`a restore of everything: ${requestsOf(restore.requests)}`, money(restore.requestCost)],
        [
          `its ${formatBytes(Math.round(restore.bytes))}, read from outside`,
          money(restore.bytesCost),
        ],
        [`A RESTORE, in ${restore.seconds.toFixed(1)} s`, money(restore.total)],
      ],
    ),
  );
  output.line(
    `${profile.source ?? "prices as they were given"}, of ${profile.asOf}: check them with the provider, or give your own with --prices`,
  );
}

function minimumText({ minimumDays }: PriceProfile): string {
  return minimumDays === 0
    ? "nothing more for objects that are deleted early"
    : `objects that are deleted before ${minimumDays} days, charged for as long, at most`;
}
