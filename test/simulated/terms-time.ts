/** Times and geometry. */
import type { Call } from "./call.js";
import {
  type Datum,
  type DatumObject,
  equal,
  isArray,
  isTime,
  textOf,
  typeName,
  withoutField,
} from "./datum.js";
import { define } from "./define-term.js";
import { geometryOf, timeOf } from "./pseudo-types.js";
import { logicError, ReqlError } from "./reql-error.js";
import type { TermDefinition } from "./term-definition.js";
import type { TermName } from "./term-ids.js";
import { times } from "./terms-core.js";

export const timeTerms: TermDefinition[] = [
  define("NOW", 0, (call) => call.context.now),
  define("EPOCH_TIME", 1, (call) => timeOf(call.number(0), "+00:00")),
  define("TO_EPOCH_TIME", 1, (call) => time(call).get("epoch_time") ?? null),
  define("ISO8601", 1, (call) => parseIso(call.string(0), call.stringOption("default_timezone")), {
    optargs: ["default_timezone"],
  }),
  define("TO_ISO8601", 1, (call) => isoText(time(call))),
  define("IN_TIMEZONE", 2, (call) => timeOf(Number(time(call).get("epoch_time")), call.string(1))),
  define("TIMEZONE", 1, (call) => time(call).get("timezone") ?? null),
  define("DATE", 1, (call) => {
    const at = localDate(time(call));
    const midnight = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate());
    const zone = textOf(time(call).get("timezone"));
    return timeOf((midnight - zoneMs(zone)) / 1000, zone);
  }),
  part("YEAR", (at) => at.getUTCFullYear()),
  part("MONTH", (at) => at.getUTCMonth() + 1),
  part("DAY", (at) => at.getUTCDate()),
  part("HOURS", (at) => at.getUTCHours()),
  part("MINUTES", (at) => at.getUTCMinutes()),
  part("SECONDS", (at) => at.getUTCSeconds() + at.getUTCMilliseconds() / 1000),
  define("POINT", 2, (call) => geometryOf("Point", [call.number(0), call.number(1)])),
  define("LINE", [2, Infinity], (call) => geometryOf("LineString", positions(call))),
  define("POLYGON", [3, Infinity], (call) => geometryOf("Polygon", [closedRing(positions(call))])),
  define("GEOJSON", 1, (call) => {
    const object = call.object(0);
    return geometryOf(textOf(object.get("type")), object.get("coordinates") ?? null);
  }),
  define("TO_GEOJSON", 1, (call) => withoutField(call.object(0), "$reql_type$")),
];

function time(call: Call): DatumObject {
  const datum = call.datum(0);
  if (isTime(datum)) return datum;
  const kind = datum === null ? "nonExistence" : "logic";
  throw new ReqlError(kind, `Not a TIME pseudotype: \`${typeName(datum)}\`.`);
}

function part(name: TermName, read: (at: Date) => number): TermDefinition {
  return define(name, 1, (call) => read(localDate(time(call))));
}

/** A date whose UTC fields are the time's local ones. */
function localDate(at: DatumObject): Date {
  return new Date(Number(at.get("epoch_time")) * 1000 + zoneMs(textOf(at.get("timezone"))));
}

function zoneMs(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(zone) ?? [];
  return (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

export function isoText(at: DatumObject): string {
  const text = localDate(at).toISOString().slice(0, -1);
  return text.replace(/\.000$/, "") + textOf(at.get("timezone"));
}

function parseIso(text: string, defaultZone: string | undefined): DatumObject {
  const zone = /(Z|[+-]\d\d(?::?\d\d)?)$/.exec(text.slice(10))?.[1] ?? defaultZone;
  if (zone === undefined)
    throw logicError("ISO 8601 string has no time zone, and no default time zone was provided.");
  const normal = textOf(timeOf(0, zone).get("timezone"));
  const local =
    text.slice(0, 10) + (text.slice(10).replace(/(Z|[+-]\d\d(?::?\d\d)?)$/, "") || "T00:00:00");
  const epochMs = Date.parse(`${local}Z`) - zoneMs(normal);
  if (Number.isNaN(epochMs)) throw logicError(`Invalid ISO 8601 string \`${text}\`.`);
  return timeOf(epochMs / 1000, zone);
}

function positions(call: Call): Datum[] {
  return times(call.count, (i) => {
    const datum = call.datum(i);
    if (isArray(datum)) return datum;
    return (datum as DatumObject).get("coordinates") ?? null;
  });
}

function closedRing(ring: readonly Datum[]): Datum[] {
  const [first] = ring;
  const last = ring.at(-1);
  return first !== undefined && last !== undefined && !equal(first, last)
    ? [...ring, first]
    : [...ring];
}
