import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { lanesStored, nameOfLane, type StoredLane } from "../repository/lanes.js";
import {
  namedObjectsMax,
  putVerification,
  type Verification,
} from "../repository/records/verifications.js";
import { placeHold } from "../repository/registers/holds.js";
import { storeToCheck } from "../repository/repository.js";
import { keysOfProcess } from "../sealing/keyring.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import type { Account, Standpoint } from "../verify/accounting.js";
import { type Cost, catalogCost } from "../verify/costs.js";
import { withPinsOfAll } from "../verify/lane-reports.js";
import {
  type Damage,
  refuseForeign,
  type VerifyObserver,
  type VerifyReport,
  verify,
} from "../verify/verify.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { eachLane } from "./each-lane.js";
import { refuseCutOffAt } from "./expected-head.js";
import { counted, formatBytes, formatCount, formatTable, type Output } from "./output.js";
import { lookedAtResult, lossText } from "./pin.js";
import { ProgressLines, progressBar } from "./progress.js";

export interface VerifyArguments {
  repo: Repos;
  data?: boolean;
  sample?: string;
  expectHead?: string;
}

export async function verifyCommand(args: VerifyArguments, output: Output): Promise<void> {
  const share = shareOf(args);
  const copies = await copiesAt(args.repo, output);
  await refuseCutOffAt(copies, args.expectHead);
  const store = await storeToCheck(copies);
  // Checked before the hold is written there.
  await refuseForeign(store);
  await whileHeld(store, output, async () => {
    const begun = systemClock.now();
    const lanes = await lanesStored(store);
    const reports = await verifyLanes(lanes, share);
    await noteVerification(store, reports, { begun, share }, output);
    await eachLane(lanes, output, async ({ lane: { number } }, own) => {
      const report = reports[number]!;
      printReport(report, share, own);
      own.result(resultOf(report, share));
      refuseDamage(report);
    });
  });
}

/** The report of each lane. A pin has lost a table only if no lane holds it any more. */
async function verifyLanes(lanes: StoredLane[], share: number): Promise<VerifyReport[]> {
  const reports: VerifyReport[] = [];
  for (const { store, lane } of lanes) {
    const progress = new VerifyProgress();
    try {
      const keyring = keysOfProcess();
      const options = { share, random: Math.random, observer: progress, lane, keyring };
      const { report } = await verify(store, options);
      const whole = (name: string) => nameOfLane(name, lane.number);
      const damage = report.damage.map((one) => ({ ...one, object: whole(one.object) }));
      reports.push({ ...report, damage });
    } finally {
      progress.end();
    }
  }
  return withPinsOfAll(reports);
}

/** Stores what was found. Goes on without that, and says so, if the store takes nothing. */
async function noteVerification(
  store: ObjectStore,
  reports: readonly VerifyReport[],
  { begun, share }: Pick<Verification, "begun" | "share">,
  output: Output,
): Promise<void> {
  const damage = reports.flatMap((report) => report.damage.map(({ object }) => object));
  const sum = (count: (report: VerifyReport) => number) =>
    reports.reduce((of, report) => of + count(report), 0);
  const found: Verification = {
    unique: randomUUID().slice(-12),
    begun,
    ended: systemClock.now(),
    sound: reports.every(isSound),
    share,
    lanes: reports.length,
    stored: {
      objects: sum(({ account }) => totalOf(account).objects),
      bytes: sum(({ account }) => totalOf(account).bytes),
    },
    read: { objects: sum(({ read }) => read.objects), bytes: sum(({ read }) => read.bytes) },
    readsDocuments: reports.every(({ readsDocuments }) => readsDocuments),
    chainsFollowed: reports.every(({ chainsFollowed }) => chainsFollowed),
    damage: { count: damage.length, objects: damage.slice(0, namedObjectsMax) },
    breaks: sum(({ breaks }) => breaks.length),
    lostPins: [...new Set(reports.flatMap(({ lostPins }) => lostPins.map(({ name }) => name)))],
  };
  try {
    await putVerification(store, found);
  } catch (error) {
    // Nothing is stored in a past state of a bucket, and nobody expects it.
    if (failureOf(error) === "unsupported") return;
    output.note(`thinkback: the outcome of this check could not be stored: ${messageOf(error)}`);
  }
}

const isSound = ({ damage, breaks, lostPins }: VerifyReport) =>
  damage.length + breaks.length + lostPins.length === 0;

/** The share of the objects that are read to their ends, from 0 to 1. */
function shareOf({ data, sample }: VerifyArguments): number {
  if (sample === undefined) return data ? 1 : 0;
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%$/.exec(sample)?.[1] ?? Number.NaN);
  if (percent > 0 && percent <= 100 && !data) return percent / 100;
  throw new ThinkbackError("usage", `--sample ${sample} cannot be used`, {
    hint: data
      ? "--data reads everything: leave one of the two out"
      : "give a share of more than 0% and up to 100%, such as 5%",
  });
}

/**
 * Does `work` under a hold, so that nothing it reads is deleted meanwhile. Goes on without one if none can be placed.
 */
export async function whileHeld<T>(
  store: ObjectStore,
  output: Output,
  work: () => Promise<T>,
): Promise<T> {
  const unique = randomUUID().replaceAll("-", "");
  const onRefused = ({ message }: Error) =>
    output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until this command ends`,
    );
  const hold = await placeHold(store, systemClock, unique, systemClock.now(), onRefused);
  try {
    return await work();
  } finally {
    await hold.end();
  }
}

/** Throws if anything is damaged, a version chain is broken, or a pinned instant is lost. */
function refuseDamage({ damage, breaks, lostPins }: VerifyReport): void {
  if (damage.length > 0) {
    throw new ThinkbackError(
      "damaged",
      damage.length === 1
        ? "1 object is damaged"
        : `${counted(damage.length, "object is", "objects are")} damaged`,
      {
        hint: "`thinkback repair` rebuilds what other objects still hold; put the rest back from a copy of the repository",
      },
    );
  }
  if (breaks.length > 0) throw brokenChains(breaks.length);
  if (lostPins.length === 0) return;
  const names = lostPins.map(({ name }) => name).join(", ");
  throw new ThinkbackError("instant", `pinned instants are lost: ${names}`, {
    hint: "`thinkback pin list` names the tables that lost them; remove these pins, and pin instants that can still be restored",
  });
}

function brokenChains(breaks: number): ThinkbackError {
  return new ThinkbackError(
    "damaged",
    `the version chains break at ${counted(breaks, "place")}: changes were missed`,
    {
      hint: "`thinkback fold` stores the evidence, and a running capture then resyncs the tables",
    },
  );
}

/** Why readers do not use an object, in words. */
const asides: [Standpoint, string][] = [
  ["replaced", "other objects hold the same; `thinkback expire` deletes these"],
  ["expired", "expired, but not deleted yet"],
  ["disowned", "written by a capture that had been shut out; they do not count"],
  ["unfinished", "no manifest refers to them: a copy or fold is under way, or was cut short"],
  ["foreign", "their names have none of the known forms"],
];

function printReport(report: VerifyReport, share: number, output: Output): void {
  const { damage, account, gone, read } = report;
  const { objects, bytes } = totalOf(account);
  const whole = share > 0 ? `, ${readText(report, share)}` : "";
  output.line(`${counted(objects, "object")}, ${formatBytes(bytes)}${whole}`);
  const rows = asides
    .filter(([standpoint]) => account[standpoint].objects > 0)
    .map(([standpoint, why]) => {
      const of = account[standpoint];
      return [standpoint, of.objects, formatBytes(of.bytes), why];
    });
  if (rows.length > 0) output.line(`\n${formatTable(["not used", "objects", "size", ""], rows)}`);
  if (gone.manifests > 0) {
    output.line(
      `gone      ${formatCount(gone.manifests)} bases and folded segments were expired and deleted`,
    );
  }
  if (gone.logTo !== undefined) {
    output.line(`gone      the log up to ${formatInstant(gone.logTo)} was expired`);
  }
  if (share > 0 && read.objects === 0)
    output.line("nothing was read to the end: the random share held no object");
  if (damage.length > 0) printDamage(report, output);
  printBreaks(report, output);
  for (const pin of report.lostPins)
    output.line(`\npin ${pin.name} does not hold: ${lossText(pin)}`);
  if (damage.length === 0) output.line("\nnothing is damaged");
}

function readText({ read, chainsFollowed, readsDocuments }: VerifyReport, share: number): string {
  const of = share < 1 ? ` (a share of ${Number((share * 100).toPrecision(12))}% was drawn)` : "";
  const chains = chainsFollowed ? "; version chains followed" : "";
  const without = readsDocuments
    ? ""
    : " without their documents, which the keys at hand do not open";
  return `${formatCount(read.objects)} of them read to the end${without}, ${formatBytes(read.bytes)}${of}${chains}`;
}

function printDamage({ damage, lost, names }: VerifyReport, output: Output): void {
  output.line("\ndamaged");
  for (const one of damage) {
    const { object, what, refuses } = one;
    output.line(`  ${object}`);
    output.line(`    ${what}`);
    output.line(`    costs ${costText(one)}`);
    if (refuses !== undefined) output.line(`    refused: ${refuses}`);
  }
  if (!lost) {
    output.line(
      '\nnothing can be restored until each object above with "refused: everything" is put back',
    );
    return;
  }
  if (lost.length === 0) {
    output.line(
      damage.every(({ isOfKeys }) => isOfKeys)
        ? "\nno instant is lost"
        : "\nno instant is lost: other objects hold what the damaged ones held",
    );
    return;
  }
  const of = damage.flatMap(({ object, costs }) => costs.map((cost) => ({ object, ...cost })));
  const because = (cost: Cost) =>
    of.filter((one) => one.table === cost.table && one.from <= cost.to && one.to >= cost.from);
  const lostRows = lost.map((cost) => {
    const objects = because(cost).map(({ object }) => object);
    const more = objects.length > 1 ? ` and ${objects.length - 1} more` : "";
    const [from, to] = [formatInstant(cost.from), formatInstant(cost.to)];
    return [costName(names, cost, true), from, to, `${objects[0] ?? "-"}${more}`];
  });
  output.line(`\n${formatTable(["cannot be restored", "from", "to", "because of"], lostRows)}`);
}

function costText({ object, costs, isOfKeys }: Damage): string {
  const isData = /^(log|folded|bases)\//.test(object) && !isOfKeys;
  if (costs.length === 0)
    return isData ? "no instant: other objects hold what it held" : "no instant";
  const tables = new Set(costs.map(({ table }) => table)).size;
  return `${formatCount(tables)} ${tables === 1 ? "table" : "tables"}, see below`;
}

/** The table that a cost is of. @param isText for people: says whether the table was dropped */
export function costName(names: VerifyReport["names"], { table }: Cost, isText: boolean): string {
  if (table === catalogCost) return "everything: the catalog";
  return (isText ? names?.textOf(table) : names?.nameOf(table)) ?? table;
}

function printBreaks({ breaks, names }: VerifyReport, output: Output): void {
  if (breaks.length === 0) return;
  const rows = breaks.map(({ table, key, before, at }) => [
    names?.textOf(table) ?? table,
    key,
    formatInstant(before),
    formatInstant(at),
  ]);
  const head = ["version chain broken", "key", "something was missed after", "and before"];
  output.line(`\n${formatTable(head, rows)}`);
}

function totalOf(account: Account): { objects: number; bytes: number } {
  const amounts = Object.values(account);
  return {
    objects: amounts.reduce((sum, { objects }) => sum + objects, 0),
    bytes: amounts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function resultOf(report: VerifyReport, share: number): object {
  const {
    damage,
    lost,
    breaks,
    chainsFollowed,
    readsDocuments,
    account,
    gone,
    lostPins,
    read,
    names,
  } = report;
  const costOf = (cost: Cost) => ({
    table: cost.table,
    name: costName(names, cost, false),
    from: formatInstant(cost.from),
    to: formatInstant(cost.to),
  });
  return {
    sound: isSound(report),
    share,
    read,
    damage: damage.map(({ object, what, costs, refuses }) => ({
      object,
      what,
      costs: costs.map(costOf),
      refuses: refuses ?? null,
    })),
    lost: lost?.map(costOf) ?? null,
    breaks: breaks.map(({ before, at, ...one }) => ({
      ...one,
      name: names?.nameOf(one.table) ?? one.table,
      before: formatInstant(before),
      at: formatInstant(at),
    })),
    readsDocuments,
    chainsFollowed,
    lostPins: lostPins.map(lookedAtResult),
    account,
    gone: { ...gone, logTo: gone.logTo === undefined ? null : formatInstant(gone.logTo) },
  };
}

export class VerifyProgress implements VerifyObserver {
  protected readonly lines = new ProgressLines();

  listed(objects: number): void {
    this.lines.set("verify", `listing: ${counted(objects, "object")}`);
  }

  checked(objects: number, of: number, read: { bytes: number }): void {
    const bytes = read.bytes > 0 ? `, ${formatBytes(read.bytes)} read` : "";
    const text = `${formatCount(objects)} of ${counted(of, "object")}${bytes}`;
    this.lines.set("verify", `${progressBar(of > 0 ? objects / of : 1)} ${text}`);
  }

  chain(table: string): void {
    this.lines.set("verify", `following the versions of table ${table}`);
  }

  end(): void {
    this.lines.clear();
  }
}
