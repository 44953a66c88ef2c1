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
import { requestsPerDay, type SourceRates, segmentsPerDay } from "../upkeep/proposal.js";
import { formatBytes, formatCount, formatTable, type Output } from "./output.js";

const dayMs = 86_400_000;
/** Requests of an idle capture for wishes, evidence, settings and its own log, with each of its segments. */
const listsPerLook = 3;
const headsPerLook = 5;
/** Requests of a round of maintenance in which nothing is due, as counted in the simulation. */
const roundPuts = 2;
const roundLists = 6;
/** How often a version is written again: into a folded segment, into those of an hour and a day, and into a base. */
const rewrites = 4;

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
  /** Bytes that are stored at most by the tiers that count. */
  storedBytes: number;
  restoreMs: number;
}

export function laneCosts(measured: Measured, profile: PriceProfile): LaneCosts {
  const { rates, tickMs, foldEveryMs, storedBytes, restoreMs } = measured;
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
  const month = costOfMonth(
    {
      requestsPerDay: perDay,
      storedBytes,
      shortLivedBytesPerDay: segmentBytes + (rewrites - 1) * linesPerDay,
      readBytesPerDay: segmentBytes + (rewrites - 1) * linesPerDay,
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
        [`short-lived objects, charged for ${profile.minimumDays} days`, money(month.minimumCost)],
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
  output.line("prices change: check them with the provider, or give your own with --prices");
}
