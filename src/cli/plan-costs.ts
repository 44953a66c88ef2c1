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

export function laneCosts(measured: Measured, profile: PriceProfile): LaneCosts {
  const { rates, tickMs, foldEveryMs, tiers, storedBytes, restoreMs } = measured;
  const charges: { chargesRequests?: true } = chargesRequests(profile)
    ? { chargesRequests: true }
    : {};
  const idleMs = idlePaceMs(charges);
  const changes = rates.tables.reduce((sum, of) => sum + of.changesPerDay, 0);
  const linesPerDay = rates.tables.reduce(
    (sum, of) => sum + of.changesPerDay * of.bytesPerChange,
    0,
  );
  const segments = segmentsPerDay(changes, tickMs, idleMs);
  const requests = requestsPerDay(segments, rates.tables.length, foldEveryMs);
  const rounds = dayMs / (charges.chargesRequests ? 1_800_000 : 300_000);
  const looks = dayMs / idleMs;
  const put = requests.puts + rounds * roundPuts;
  const perDay: RequestCounts = {
    put,
    get: requests.gets,
    head: looks * headsPerLook,
    list: looks * listsPerLook + rounds * roundLists,
    // What is stored is deleted one day.
    delete: put,
  };
  const segmentBytes = segments * rates.segmentBytes;
  const baseBytes = baseBytesPerDay(rates, foldEveryMs);
  const month = costOfMonth(
    {
      requestsPerDay: perDay,
      storedBytes,
      deleted: [
        { bytesPerDay: segmentBytes + hourlyRewrites * linesPerDay + baseBytes, livesDays: 0 },
        ...expiring(rates, tiers),
      ],
      // A fold reads what it writes anew: lines for an hour, a day and a base, and the parts of the base.
      readBytesPerDay: segmentBytes + 3 * linesPerDay + baseBytes,
    },
    profile,
  );
  const bases = rates.tables.reduce((sum, of) => sum + of.baseBytes + of.manifestBytes, 0);
  // The log since the last bases: at most as much as comes between two folds, in segments.
  const share = foldEveryMs / dayMs;
  const objects = 2 * rates.tables.length + Math.ceil(segments * share);
  const restore = costOfRestore({ objects, bytes: bases + share * segmentBytes }, profile);
  return { month, restore: { ...restore, seconds: restoreMs / 1000 } };
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
  const { month, restore } = costs;
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
