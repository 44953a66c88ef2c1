import { chargesRequests, type PriceProfile } from "../costs/prices.js";
import { ThinkbackError } from "../errors.js";
import { type Lane, lanesIn } from "../repository/lanes.js";
import { formatWhole, parseKeep } from "../repository/registers/keep-policy.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { type Load, readLoad } from "../upkeep/load.js";
import {
  monthlyCost,
  type Prices,
  readSourceRates,
  type SourceRates,
  storedAtMost,
  type Upkeep,
} from "../upkeep/proposal.js";
import { estimateRestore, proposedObjective } from "../upkeep/schedule.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { eachLane } from "./each-lane.js";
import { formatBytes, formatTable, type Output } from "./output.js";
import { laneCosts, printCosts, profileOf, requestsOfTicks } from "./plan-costs.js";

export interface PlanArguments {
  repo: Repos;
  keep: string[];
  /** A profile, by its name or in a file. Without one, only the three prices below count. */
  profile?: string;
  prices?: string;
  priceStorage?: string;
  /** 0 for a directory, where requests cost nothing. */
  pricePut?: string;
  priceGet?: string;
}

const hourMs = 3_600_000;
/** Of one GB stored for a month. */
const priceStorageDefault = 0.023;
/** The storage of the tiers is computed with these, which are the defaults of `run`. */
const foldEveryMs = hourMs;
const upkeep: Upkeep = { foldEveryMs, maintainEveryMs: 5 * 60_000, graceMs: 15 * 60_000 };
const tiersLookedAt = ["all:7d", "all:7d, 1m:30d, 1d:365d", "all:30d, 1h:365d", "all:forever"];
const ticksLookedAtMs = [500, 1000, 5000, 10_000];

export async function planCommand(args: PlanArguments, output: Output): Promise<void> {
  const profile = await profileOf(args);
  const prices = pricesOf(args, profile);
  const lanes = await lanesIn(await openRepository(await copiesAt(args.repo, output)));
  const months: number[] = [];
  const given = { args, lanes: lanes.length, profile, prices, months };
  const result = (of: object) =>
    output.result(lanes.length === 1 ? of : { ...of, monthTotal: sum(months) });
  await eachLane(lanes, { ...output, result }, (lane, own) => planLane(lane, given, own));
  if (profile && lanes.length > 1) {
    output.line(`\nall lanes: ${sum(months).toFixed(2)} ${profile.currency} a month`);
  }
}

const sum = (all: number[]) => all.reduce((of, one) => of + one, 0);

interface Given {
  args: PlanArguments;
  /** How many lanes there are. */
  lanes: number;
  profile: PriceProfile | undefined;
  prices: Prices;
  /** The cost of a month in each lane so far. */
  months: number[];
}

async function planLane(
  lane: Lane,
  { args, lanes, profile, prices, months }: Given,
  output: Output,
): Promise<void> {
  const { rates, load, catalog, declared, ticked } = await lookAt(lane, async (view) => ({
    rates: await readSourceRates(view),
    load: await readLoad(view),
    catalog: await view.catalog(),
    declared: (await view.settings()).keep,
    ticked: view.log.claims.at(-1)?.tickMs ?? 1000,
  }));
  if (rates.tables.length === 0 && lanes > 1) {
    output.line("nothing is measured here: no table has a complete base");
    return;
  }
  if (rates.tables.length === 0) {
    throw new ThinkbackError("instant", "nothing is measured yet: no table has a complete base", {
      hint: "let `thinkback run` capture for a while first, best for a day",
    });
  }
  const names = new Map(catalog.tables().map(({ id, db, name }) => [id, `${db}.${name}`]));
  const tables = rates.tables.map((table) => ({
    ...table,
    name: names.get(table.table) ?? table.table,
  }));
  const changesPerDay = tables.reduce((sum, table) => sum + table.changesPerDay, 0);
  const isCharged = profile ? chargesRequests(profile) : lane.store.chargesRequests === true;
  const charges: { chargesRequests?: true } = isCharged ? { chargesRequests: true } : {};
  const ticks = ticksLookedAtMs.map((tickMs) =>
    tickOf(tickMs, changesPerDay, tables.length, prices, charges),
  );
  const keeps = [...tiersLookedAt, ...args.keep].map((keep) => keepOf(keep, rates, prices));
  const proposed = proposeOf(ticks, keeps);
  const objectives = objectivesOf(load, rates);
  output.line(
    `measured over ${formatWhole(Math.max(1000, Math.round(rates.spanMs / 1000) * 1000))}\n`,
  );
  printTables(tables, output);
  printTicks(ticks, proposed.tickMs, output);
  printKeeps(keeps, proposed.keep, output);
  printObjectives(objectives, output);
  output.line(
    `\nproposed: --tick ${formatMs(proposed.tickMs)} --restore-within ${formatMs(objectives.proposedMs)} --keep "${proposed.keep}"`,
  );
  const keep = args.keep.at(-1) ?? declared ?? "all:forever";
  const tiers = parseKeep(keep);
  const storedBytes = storedAtMost(rates, tiers, upkeep);
  const restoreMs = objectives.nowMs;
  const measured = { rates, tickMs: ticked, foldEveryMs, tiers, storedBytes, restoreMs };
  const costs = profile && laneCosts(measured, profile);
  if (profile && costs) {
    months.push(costs.month.total);
    printCosts(costs, keep, profile, output);
  }
  output.result({
    ...(costs ? { profile, keep, ...costs } : {}),
    measuredSeconds: rates.spanMs / 1000,
    tables: tables.map(({ keptPerDay, ...table }) => ({
      ...table,
      keptPerDay: {
        "1m": keptPerDay(60_000),
        "1h": keptPerDay(hourMs),
        "1d": keptPerDay(24 * hourMs),
      },
    })),
    ticks,
    keeps,
    objectives,
    proposed: { ...proposed, restoreWithinMs: objectives.proposedMs },
  });
}

type Tick = ReturnType<typeof tickOf>;
type Keep = ReturnType<typeof keepOf>;
type Objectives = ReturnType<typeof objectivesOf>;

function tickOf(
  tickMs: number,
  changesPerDay: number,
  tables: number,
  prices: Prices,
  charges: { chargesRequests?: true },
) {
  const of = { tables, foldEveryMs };
  const { segments, ...requests } = requestsOfTicks(changesPerDay, tickMs, of, charges);
  return {
    tickMs,
    segmentsPerDay: Math.round(segments),
    putsPerMonth: Math.round(30 * requests.puts),
    getsPerMonth: Math.round(30 * requests.gets),
    cost: monthlyCost(0, requests, prices),
  };
}

function keepOf(keep: string, rates: SourceRates, prices: Prices) {
  const tiers = parseKeep(keep);
  const bytes = storedAtMost(rates, tiers, upkeep);
  return { keep, bytes: Math.round(bytes), cost: monthlyCost(bytes, { puts: 0, gets: 0 }, prices) };
}

/**
 * How long a restore of everything takes by the measured rates: of the bases alone, to now, with an hour's or a day's
 * log.
 */
function objectivesOf(load: Load, { tables }: SourceRates) {
  const { documents, documentBytes, logBytes, rates } = load;
  const linesPerDay = tables.reduce((sum, of) => sum + of.changesPerDay * of.lineBytesPerChange, 0);
  const estimate = (days: number) =>
    estimateRestore({ documents, documentBytes, logBytes: linesPerDay * days, rates });
  const basesMs = estimate(0);
  return {
    rates,
    basesMs,
    nowMs: estimateRestore({ documents, documentBytes, logBytes, rates }),
    hourMs: estimate(1 / 24),
    dayMs: estimate(1),
    proposedMs: proposedObjective({ documents, documentBytes, logBytes, rates }),
  };
}

/**
 * The tick and the tiers to propose. The tick: the shortest of a second or more whose requests cost no more than the
 * storage, or a negligible amount. The tiers: the last in the list that cost no more than twice the cheapest, than the
 * requests of the longest tick, or than a negligible amount.
 */
function proposeOf(ticks: Tick[], keeps: Keep[]): { tickMs: number; keep: string } {
  const least = Math.min(...keeps.map(({ cost }) => cost));
  const keepMax = Math.max(2 * least, ticks.at(-1)!.cost, negligible);
  const keep = keeps.filter(({ cost }) => cost <= keepMax).at(-1) ?? keeps[0]!;
  const tickMax = Math.max(keep.cost, negligible);
  const tick = ticks.find(({ tickMs, cost }) => tickMs >= 1000 && cost <= tickMax) ?? ticks.at(-1)!;
  return { tickMs: tick.tickMs, keep: keep.keep };
}

/** A cost that is too small to count, in the unit of the prices. */
const negligible = 0.5;

function printTables(tables: (SourceRates["tables"][number] & { name: string })[], output: Output) {
  const rows = tables.map((table) => [
    table.name,
    table.documents,
    formatBytes(table.baseBytes),
    Math.round(table.changesPerDay),
    formatBytes(Math.round(table.changesPerDay * table.bytesPerChange)),
    Math.round(table.keptPerDay(60_000)),
    Math.round(table.keptPerDay(24 * hourMs)),
  ]);
  const head = ["table", "documents", "base", "changes/day", "log/day", "kept 1m", "kept 1d"];
  output.line(formatTable(head, rows));
}

function printTicks(ticks: Tick[], proposed: number, output: Output): void {
  const rows = ticks.map(
    ({ tickMs, segmentsPerDay: segments, putsPerMonth, getsPerMonth, cost }) => [
      `${tickMs === proposed ? "→ " : "  "}${formatMs(tickMs)}`,
      segments,
      putsPerMonth,
      getsPerMonth,
      cost.toFixed(2),
    ],
  );
  output.line("");
  output.line(formatTable(["tick", "segments/day", "PUT/month", "GET/month", "cost/month"], rows));
}

function printKeeps(keeps: Keep[], proposed: string, output: Output): void {
  const rows = keeps.map(({ keep, bytes, cost }) => [
    `${keep === proposed ? "→ " : "  "}${keep}`,
    formatBytes(bytes),
    cost.toFixed(2),
  ]);
  output.line("");
  output.line(formatTable(["kept", "stored at most", "cost/month"], rows));
}

function printObjectives(objectives: Objectives, output: Output): void {
  const { basesMs, nowMs, hourMs: hour, dayMs } = objectives;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const rows = [
    ["to a base", seconds(basesMs)],
    ["to now", seconds(nowMs)],
    ["with an hour's log", seconds(hour)],
    ["with a day's log", seconds(dayMs)],
  ];
  output.line("");
  output.line(formatTable(["a restore of everything", "takes"], rows));
  const { restoreBytesPerSecond, mergeBytesPerSecond } = objectives.rates;
  output.line(
    `computed with ${formatBytes(restoreBytesPerSecond)}/s of documents, each counted as 1 kB larger than it is, and ${formatBytes(mergeBytesPerSecond)}/s of log`,
  );
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms}ms` : formatWhole(ms);
}

/** The prices by which ticks and tiers are compared: those of the profile, but for what is given by itself. */
function pricesOf(args: PlanArguments, profile: PriceProfile | undefined): Prices {
  const price = (option: string, text: string | undefined, otherwise: number) => {
    if (text === undefined) return otherwise;
    if (/^\d{1,9}(\.\d{1,9})?$/.test(text)) return Number(text);
    throw new ThinkbackError("usage", `${option} ${text} is not a price`, {
      hint: "give a number of 0 or more, such as 0.023",
    });
  };
  const { put = 0, get = 0 } = profile?.per1000 ?? {};
  return {
    storage: price(
      "--price-storage",
      args.priceStorage,
      profile?.storagePerGbMonth ?? priceStorageDefault,
    ),
    put: price("--price-put", args.pricePut, put),
    get: price("--price-get", args.priceGet, get),
  };
}
