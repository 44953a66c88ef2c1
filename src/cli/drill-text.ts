/** Drills in words, and as JSON. */
import { drillName } from "../format/names.js";
import { formatInstant } from "../instant.js";
import type { Drill, KeyList, TableDifferences } from "../repository/records/drills.js";
import { formatCount } from "./output.js";

/** `2 documents missing ("a", "b"); index by_city is missing`. */
export function differencesText({ missing, altered, extra, settings }: TableDifferences): string {
  const documents = [
    keysText(missing, "missing"),
    keysText(altered, "altered"),
    keysText(extra, "too many"),
  ];
  return [...documents.filter((text) => text !== undefined), ...settings].join("; ");
}

function keysText({ count, keys }: KeyList, what: string): string | undefined {
  if (count === 0) return undefined;
  const more = count > keys.length ? ", …" : "";
  const documents = count === 1 ? "document" : "documents";
  return `${formatCount(count)} ${documents} ${what} (${keys.join(", ")}${more})`;
}

/** Why a drill failed, in one line. */
export function failureText({ failure, tables }: Drill): string {
  if (failure) return failure.message;
  return tables
    .filter(({ differences }) => differences)
    .map(({ name, differences }) => `${name}: ${differencesText(differences!)}`)
    .join("; ");
}

/** A drill as the JSON result shows it. */
export function drillResult(drill: Drill): object {
  const { begun, ended, instant, unique } = drill;
  return {
    ...drill,
    object: drillName(ended, unique),
    begun: formatInstant(begun),
    ended: formatInstant(ended),
    instant: formatInstant(instant),
  };
}
