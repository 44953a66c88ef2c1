/** What a restore prints: its plan, and what the target has at its end. */
import { formatDuration, formatInstant } from "../instant.js";
import type { AsOf } from "../repository/coverage/as-of.js";
import type { RestoredAccess } from "../restore/access.js";
import type { HeldBack } from "../restore/held-back.js";
import { classText } from "../restore/inexact.js";
import type { RestorePlan } from "../restore/plan.js";
import type { RestoredTable } from "../restore/restore.js";
import { heldBackResult, heldBackText } from "./held-back-text.js";
import {
  counted,
  formatBytes,
  formatCount,
  formatNames,
  formatTable,
  groupedBy,
  type Output,
} from "./output.js";
import type { Estimate } from "./restore-estimate.js";
import type { Remains } from "./stopped-restore.js";

export function planResult(plan: RestorePlan): object {
  return {
    at: formatInstant(plan.instant),
    ...(plan.asked === undefined ? {} : { asked: formatInstant(plan.asked) }),
    heldBack: plan.heldBack ? heldBackResult(plan.heldBack) : null,
    databases: plan.databases,
    segments: plan.segments,
    notCaptured: plan.notCaptured,
    notSelected: plan.notSelected,
    catalog: asOfResult(plan.catalog),
    accessAsOf: plan.accessAsOf ? asOfResult(plan.accessAsOf) : null,
    tables: plan.tables.map(({ from, to, base, indexes, missing, mask, ...of }) => ({
      from: `${from.db}.${from.name}`,
      to: `${to.db}.${to.name}`,
      ...asOfResult(of),
      mask: mask?.rules ?? null,
      missing: missing.map((hole) => ({
        object: hole.missing,
        from: formatInstant(hole.from),
        to: formatInstant(hole.to),
      })),
      base: formatInstant(base.instant),
      baseDocuments: base.rows,
      baseBytes: base.documentBytes,
      indexes: indexes.map(({ index }) => index),
    })),
  };
}

function asOfResult({ class: of, reason, lateMs, instant }: AsOf): object {
  return {
    class: of,
    reason: reason ?? null,
    lateMs: lateMs ?? null,
    instant: formatInstant(instant),
  };
}

/** Users and grants that hold a restore back by no more than this are not mentioned. */
const behindNoteMs = 30_000;

export function printPlan(plan: RestorePlan, output: Output): void {
  output.line(`restoring to ${formatInstant(plan.instant)}`);
  if (plan.heldBack) output.line(`${heldBackText(plan.heldBack)}; ${wayOn(plan.heldBack)}`);
  if (plan.asked !== undefined) {
    output.line(
      `the history is thinned at ${formatInstant(plan.asked)}: the restore takes the last kept instant before it`,
    );
  }
  if ((plan.withoutAccess ?? 0) > plan.instant + behindNoteMs) {
    output.note(
      "thinkback: users and grants are not known after that instant; " +
        `--without-access leaves them out, and restores all else to ${formatInstant(plan.withoutAccess!)}`,
    );
  }
  const rows = plan.tables.map(({ from, to, base, indexes, ...of }) => [
    `${from.db}.${from.name}`,
    `${to.db}.${to.name}`,
    classText(of),
    formatInstant(of.instant),
    formatInstant(base.instant),
    base.rows,
    formatBytes(base.documentBytes),
    indexes.length,
  ]);
  output.line(
    formatTable(
      ["table", "restored as", "class", "as of", "base", "in the base", "size", "indexes"],
      rows,
    ),
  );
  printMissing(plan, output);
  printAsOf("catalog", plan.catalog, plan, output);
  if (plan.accessAsOf) printAsOf("access", plan.accessAsOf, plan, output);
  output.line(`log: ${counted(plan.segments, "segment")} to read`);
  for (const table of plan.notCaptured) {
    output.note(
      `thinkback: ${table} existed then, but nothing of it was captured; it is not restored`,
    );
  }
  if (plan.notSelected.length > 0) {
    const why =
      plan.selectedBy === undefined
        ? "left out, because nothing of them is selected"
        : `left out, because they are not named in ${plan.selectedBy}`;
    output.line(`${why}: ${plan.notSelected.join(", ")}`);
  }
}

/** Prints how each table will be masked. */
export function printRules({ tables }: RestorePlan, output: Output): void {
  for (const { to, mask } of tables) {
    if (!mask) continue;
    const texts = mask.rules.map(({ path, rule }) => `${path} by ${rule}`);
    output.line(`${to.db}.${to.name}: masks ${texts.join(", ") || "nothing"}`);
  }
}

/** Prints the changes that are missing in damaged tables; one line for all tables that lack the same. */
function printMissing({ tables }: RestorePlan, output: Output): void {
  const lacking = tables.flatMap(({ from, missing }) =>
    missing.map((hole) => ({
      name: `${from.db}.${from.name}`,
      what: `changes from ${formatInstant(hole.from)} to ${formatInstant(hole.to)}, because ${hole.reason}`,
    })),
  );
  for (const [what, of] of groupedBy(lacking, (one) => one.what)) {
    output.line(`MISSING of ${formatNames(of.map(({ name }) => name))}: ${what}`);
  }
}

/** Which option restores more than the newest instant of all does. */
function wayOn({ by, damage }: HeldBack): string {
  if (damage !== undefined) {
    return "`thinkback verify` reports what is lost, `thinkback repair` rebuilds what other objects still hold; a later --at with --allow-inexact restores what is left";
  }
  return {
    catalog:
      "a later --at with --allow-inexact takes names, indexes and hooks as they were read then",
    access: "--without-access leaves them out",
    table:
      "a later --at with --gap before takes what is behind as last known, and the others as of that instant",
  }[by];
}

/** Prints the class of the catalog or of access; if it is not exact, also why, and as of which instant it is taken. */
function printAsOf(name: string, of: AsOf, { instant }: RestorePlan, output: Output): void {
  if (of.class === "exact") {
    output.line(`${name}: exact`);
    return;
  }
  const asOf = of.instant === instant ? "" : `, as of ${formatInstant(of.instant)}`;
  output.line(
    `${name}: ${classText(of)}${of.reason === undefined ? "" : ` (${of.reason})`}${asOf}`,
  );
}

export function printEstimate(estimate: Estimate | undefined, output: Output): void {
  if (!estimate) return;
  const about = formatDuration(Math.max(1, Math.round(estimate.seconds)) * 1000);
  output.line(
    estimate.isMeasured
      ? `it takes about ${about}, as fast as the last restore or drill was`
      : `it takes ${about} or less; no restore was measured yet`,
  );
}

/** What a restore has done. */
export interface Done {
  restored: RestoredTable[];
  /** Names of tables that an earlier run had completed. */
  earlier: string[];
  /** How long all took together, with reading the log; null if the restore was stopped. */
  seconds: number | null;
  /** How long it was thought to take, if that was known. */
  estimate: Estimate | undefined;
}

export function printReport(
  plan: RestorePlan,
  { restored, earlier, seconds, estimate }: Done,
  access: RestoredAccess | undefined,
  stopped: Remains | undefined,
  output: Output,
): void {
  const rows = restored.map((table) => [
    table.to,
    table.documents,
    formatBytes(table.bytes),
    table.seconds.toFixed(1),
    table.indexes,
    table.matches ? `equal${table.masked?.length ? ", masked" : ""}` : "DIFFERENT",
  ]);
  if (rows.length > 0 || !stopped) {
    output.line("");
    output.line(
      formatTable(
        ["table", "documents", "size", "seconds", "indexes", "compared with the server"],
        rows,
      ),
    );
  }
  for (const name of earlier) output.line(`${name}: complete by an earlier run`);
  for (const { to, already } of restored) {
    if (already > 0)
      output.line(`${to}: ${counted(already, "document")} were there by an earlier run`);
  }
  for (const { to, masked } of restored) {
    for (const { path, rule, documents } of masked ?? []) {
      output.line(`${to}: masked ${path} by ${rule} in ${counted(documents, "document")}`);
    }
  }
  for (const { to, documents, isPart, passedOver } of restored) {
    if (isPart) output.line(`${to}: ${partText(documents, passedOver)}`);
  }
  tellDoubts(
    restored.flatMap(({ doubts }) => doubts),
    output,
  );
  // An earlier run may have found the others.
  if (earlier.length === 0 && !stopped) printMissingKeys(restored, output);
  for (const { to, leftOut } of restored) {
    for (const { key, reason } of leftOut) output.line(`${to}: left out ${key}: ${reason}`);
  }
  printMissing(plan, output);
  if (access) printAccess(access, output);
  const { halfFilled = [], notBegun = [] } = stopped ?? {};
  output.result({
    ...planResult(plan),
    restored,
    earlier,
    seconds,
    estimatedSeconds: estimate?.seconds ?? null,
    access: access ?? null,
    halfFilled: halfFilled.map(({ to }) => `${to.db}.${to.name}`),
    notBegun: notBegun.map(({ to }) => `${to.db}.${to.name}`),
  });
}

/** Tells what shows that a selection is mistyped. */
export function tellDoubts(doubts: readonly string[], output: Output): void {
  for (const doubt of doubts) output.note(`thinkback: ${doubt}`);
}

/** Names the keys that were asked for, and that none of the tables has. */
export function printMissingKeys(restored: readonly RestoredTable[], output: Output): void {
  const [first, ...others] = restored;
  const missing = first?.missingKeys.filter((key) =>
    others.every(({ missingKeys }) => missingKeys.includes(key)),
  );
  if (!missing || missing.length === 0) return;
  const tables = formatNames(restored.map(({ from }) => from));
  output.note(`thinkback: no document of ${tables} has the key ${formatNames(missing)}`);
}

/** How much of a table was selected. */
function partText(documents: number, passedOver: number | null): string {
  const others =
    passedOver === null ? "no others were read" : `${formatCount(passedOver)} passed over`;
  return `${counted(documents, "document")} selected, ${others}`;
}

function printAccess(
  { usersWithoutPassword, usersKept, grants }: RestoredAccess,
  output: Output,
): void {
  if (usersWithoutPassword.length + usersKept.length === 0) return;
  output.line(`\n${counted(grants, "grant")} restored`);
  for (const user of usersWithoutPassword) {
    const set = `r.db("rethinkdb").table("users").get(${JSON.stringify(user)}).update({password: …})`;
    output.line(`user ${user} was made without a usable password; set one: ${set}`);
  }
  for (const user of usersKept)
    output.line(`user ${user} was there already and keeps its password and grants`);
}
