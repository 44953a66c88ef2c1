/** Says why a restore or drill without --at does not go to the newest instant that some tables have. */
import { formatInstant } from "../instant.js";
import type { HeldBack } from "../restore/held-back.js";
import { formatNames } from "./output.js";

export function heldBackText({
  by,
  table,
  others = [],
  knownTo,
  tablesTo,
  damage,
}: HeldBack): string {
  const names = formatNames([table ?? "", ...others]);
  const what = {
    catalog: "the catalog is",
    access: "users and grants are",
    table: `${names} ${others.length > 0 ? "are" : "is"}`,
  }[by];
  const known =
    knownTo === undefined
      ? "not known at any instant"
      : `known only up to ${formatInstant(knownTo)}`;
  const why = damage === undefined ? "" : `, because of damage (${damage})`;
  const rest = by === "table" ? "others" : "the tables";
  const farthest = damage === undefined ? rest : "and the log goes";
  return `${what} ${known}${why}, ${farthest} up to ${formatInstant(tablesTo)}`;
}

export function heldBackResult({ knownTo, tablesTo, ...by }: HeldBack): object {
  return {
    ...by,
    knownTo: knownTo === undefined ? null : formatInstant(knownTo),
    tablesTo: formatInstant(tablesTo),
  };
}
