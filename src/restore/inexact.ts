/** The errors for an instant that cannot be restored, or only with a flag. */
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import type { AsOf, GapSide, InstantClass, NoState } from "../repository/coverage/as-of.js";
import { intervalAt, isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import { formatResolution } from "../repository/registers/keep-policy.js";
import type { TableName } from "../rethinkdb/target.js";

/** What a restore may take besides exact instants. */
export interface Allowed {
  /** Inside a gap: take the last state before it, or the first one after it. */
  gap?: GapSide;
  /** Take instants that are not exact; inside a gap, the state before it. */
  allowInexact: boolean;
}

/** The error for an instant after the last proof of what is watched: it may be proven soon. */
export class NotProvenYet extends ThinkbackError {}

/** True if the instant lies after the last proof, and the table (or catalog, or access) is still watched. */
export function isNotProvenYet(of: AsOf | NoState, coverage: Watched | undefined): boolean {
  const isOpen = of.instant === undefined ? of.why.is === "open" : of.isOpen;
  return of.class === "unwatched" && isOpen && coverage?.state === "live";
}

type Watched = Pick<TableCoverage, "state" | "intervals">;

/** True if a restore of `of` needs no more than is allowed. */
export function isAllowed(of: AsOf, { gap, allowInexact }: Allowed): boolean {
  if (of.class === "exact" || allowInexact) return true;
  const isInGap = of.class === "gap" || (of.class === "unwatched" && of.isOpen);
  return gap !== undefined && isInGap;
}

/**
 * The error for an instant of a table that cannot be restored, or not without a flag.
 * @param nearest the instants next to it to which everything that is asked for can be restored exactly
 * @param isThere false if no flag helps, because there is no base that a restore could begin with
 * @param hasFlags false if the command has none of the flags that allow more than exact instants
 */
export function inexact(
  from: TableName,
  coverage: TableCoverage,
  instant: Instant,
  nearest: Instant[],
  found?: AsOf | NoState,
  isThere = true,
  hasFlags = true,
): ThinkbackError {
  const interval = intervalAt(coverage, instant);
  const name = `${from.db}.${from.name}`;
  if (interval && isWhole(interval) && interval.resolutionMs !== undefined) {
    return thinned(name, nearest, instant, interval.resolutionMs, hasFlags);
  }
  if (found?.instant === undefined && found && !isNotProvenYet(found, coverage) && isInGap(found))
    return noEnd(name, nearest, found, instant, hasFlags);
  const why = interval?.reason === undefined ? "" : ` (${interval.reason})`;
  const isHelped = found?.instant !== undefined && isThere && hasFlags;
  const flag = isHelped ? `; or give ${flagsFor(found)}` : "";
  const isSoon = found !== undefined && isNotProvenYet(found, coverage);
  const is = isSoon
    ? "not proven yet"
    : whereText(found ?? { class: interval?.class ?? "unwatched" });
  return new (isSoon ? NotProvenYet : ThinkbackError)(
    interval?.class === "damaged" ? "damaged" : "instant",
    `${name} cannot be restored exactly to ${formatInstant(instant)}: that instant is ${is}${why}`,
    { hint: `${repairText(found)}nearest exact: ${instantsText(nearest)}${flag}` },
  );
}

/**
 * The error for a catalog that is not exact.
 * @param isHelped false if no flag helps, or the command has none
 */
export function inexactCatalog(
  of: AsOf | NoState,
  instant: Instant,
  coverage: Watched | undefined,
  nearest: Instant[],
  isHelped = true,
): ThinkbackError {
  const what = "tables, names, indexes and hooks";
  const subject = { name: "the catalog", what, more: "", isHelped };
  return inexactSystem(subject, of, instant, coverage, nearest);
}

/** The error for users and grants that are not exact. @param hasFlags false if the command has no flag that helps */
export function inexactAccess(
  of: AsOf | NoState,
  instant: Instant,
  coverage: Watched | undefined,
  nearest: Instant[],
  hasFlags = true,
): ThinkbackError {
  const more = hasFlags ? "; or give --without-access to leave them out" : "";
  const subject = { name: "access", what: "users and grants", more, isHelped: hasFlags };
  return inexactSystem(subject, of, instant, coverage, nearest);
}

/** The error for a restore of everything if users and grants were never known. */
export function accessUnknown(instant: Instant): ThinkbackError {
  return new ThinkbackError(
    "instant",
    `users and grants were not known at ${formatInstant(instant)}`,
    {
      hint: "give --without-access to leave them out; the capture reads them if its user may read the system tables",
    },
  );
}

function inexactSystem(
  { name, what, more, isHelped }: { name: string; what: string; more: string; isHelped: boolean },
  of: AsOf | NoState,
  instant: Instant,
  coverage: Watched | undefined,
  nearest: Instant[],
): ThinkbackError {
  const why = of.reason === undefined ? "" : ` (${of.reason})`;
  const flag = of.instant === undefined || !isHelped ? "" : `; or give ${flagsFor(of)}`;
  const isSoon = isNotProvenYet(of, coverage);
  return new (isSoon ? NotProvenYet : ThinkbackError)(
    of.class === "damaged" ? "damaged" : "instant",
    `${name} is ${isSoon ? "not proven yet" : "not known exactly"} at ${formatInstant(instant)}: ` +
      `that instant is ${whereText(of)}${why}, and ${knownText(what, of)}`,
    { hint: `${repairText(of)}nearest exact: ${instantsText(nearest)}${flag}${more}` },
  );
}

function knownText(what: string, of: AsOf | NoState): string {
  if (of.class === "late") return `${what} may be up to ${of.lateMs} ms old`;
  if (of.instant === undefined) return `${what} of that instant are not known${noStateText(of)}`;
  if (of.class === "damaged") return `${what} of that instant cannot be relied on`;
  return `${what} are known only up to ${formatInstant(of.instant)}`;
}

function noStateText({ why }: NoState): string {
  switch (why.is) {
    case "thinned":
      return `, because the history is thinned at ${formatInstant(why.needed)}`;
    case "expired":
      return ", because the history from before the gap has expired";
    case "damaged":
      return `, because the end of the gap, ${formatInstant(why.needed)}, is damaged`;
    case "open":
      return ", because the gap has not ended yet";
    case "unknown":
      return "";
  }
}

/** How damage may be repaired, so that the instant is exact again; empty for other classes. */
function repairText(of: InstantClass | undefined): string {
  if (of?.class !== "damaged") return "";
  return "put this object back from a copy of the repository, or see with `thinkback repair --dry-run` whether it can be rebuilt; ";
}

/** The flags that allow a restore of such an instant. */
function flagsFor(of: AsOf): string {
  if (of.class === "gap") return "--gap before or --gap after";
  if (of.class === "unwatched" && of.isOpen) {
    return `--gap before for the last state that is known, ${formatInstant(of.instant)}`;
  }
  if (of.class === "damaged") return "--allow-inexact to restore without what is missing";
  return "--allow-inexact";
}

function isInGap({ class: of, why }: NoState): boolean {
  return of === "gap" || why.is === "open" || why.is === "damaged" || why.is === "thinned";
}

/** The error for a gap of which the state at the end that is asked for is not known. */
function noEnd(
  name: string,
  nearest: Instant[],
  of: NoState,
  instant: Instant,
  hasFlags: boolean,
): ThinkbackError {
  const other =
    of.why.is === "thinned" && hasFlags
      ? "--nearest takes the nearest kept instant outside the gap; "
      : "";
  return new ThinkbackError(
    of.why.is === "damaged" ? "damaged" : "instant",
    `${name} cannot be restored to ${formatInstant(instant)}, which is ${whereText(of)}: ` +
      `the state at that end of the gap is not known${noStateText(of)}`,
    { hint: `${other}nearest exact: ${instantsText(nearest)}` },
  );
}

function thinned(
  name: string,
  nearest: Instant[],
  instant: Instant,
  resolutionMs: number,
  hasFlags: boolean,
): ThinkbackError {
  const flag = hasFlags ? "; --nearest takes the last one before yours, if there is one" : "";
  return new ThinkbackError(
    "instant",
    `${name} cannot be restored exactly to ${formatInstant(instant)}: ` +
      `its history is thinned there, to ${formatResolution(resolutionMs)}`,
    {
      hint:
        nearest.length === 0
          ? "no instant is kept to which all of it can be restored"
          : `kept: ${instantsText(nearest)}${flag}`,
    },
  );
}

/** The nearest exact instants, in words. */
export function instantsText(nearest: Instant[]): string {
  return nearest.length === 0
    ? "none, see `thinkback status`"
    : nearest.map(formatInstant).join(" and ");
}

/** What an instant of a class is, in words: "late by up to 2.0 s", "in a gap". */
export function whereText(of: InstantClass): string {
  return of.class === "gap" ? "in a gap" : classText(of);
}

/** A class in words; if it is late, with how late it may be. */
export function classText({ class: of, lateMs }: InstantClass): string {
  return lateMs === undefined ? of : `${of} by up to ${(lateMs / 1000).toFixed(1)} s`;
}
