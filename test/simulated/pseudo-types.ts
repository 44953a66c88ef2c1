/** The pseudo types TIME, BINARY and GEOMETRY: checked and normalised wherever an object with `$reql_type$` is made. */
import {
  BinaryDatum,
  type Datum,
  type DatumObject,
  isArray,
  record,
  typeName,
  withField,
} from "./datum.js";
import { prettyTextCut } from "./json-text.js";
import { logicError, ReqlError } from "./reql-error.js";

/**
 * The datum that an object with `$reql_type$` stands for.
 * @param literalAllowed inside the argument of `update` and `merge`, where `r.literal` may stand
 */
export function sanitizePseudoType(object: DatumObject, literalAllowed = false): Datum {
  const name = object.get("$reql_type$");
  if (typeof name !== "string") {
    const got = `(got \`${prettyTextCut(name ?? null)}\` of type ${typeName(name ?? null)})`;
    throw logicError(
      `Error: Field \`$reql_type$\` must be a string ${got}:\n${prettyTextCut(object)}`,
    );
  }
  if (name === "TIME") return sanitizeTime(object);
  if (name === "BINARY") return decodeBinary(object);
  if (name === "GEOMETRY") return checkGeometry(object);
  if (name === "LITERAL") {
    if (literalAllowed) return object;
    throw strayLiteral();
  }
  throw logicError(`Unknown $reql_type$ \`PTYPE<${name}>\`.`);
}

export function strayLiteral(): ReqlError {
  return logicError(
    "Stray literal keyword found: literal is only legal inside of the object passed to merge or update and cannot nest inside other literals.",
  );
}

function sanitizeTime(time: DatumObject): DatumObject {
  const invalid = (why: string): ReqlError =>
    logicError(`Invalid time object constructed (${why}):\n${prettyTextCut(time)}`);
  for (const name of time.keys()) {
    if (!["$reql_type$", "epoch_time", "timezone"].includes(name)) {
      throw invalid(`unrecognized field \`${name}\``);
    }
  }
  const epoch = time.get("epoch_time");
  const zone = time.get("timezone");
  if (epoch === undefined) throw invalid("no field `epoch_time`");
  if (typeof epoch !== "number") {
    throw invalid(
      `field \`epoch_time\` must be a number (got \`${prettyTextCut(epoch)}\` of type ${typeName(epoch)})`,
    );
  }
  if (zone === undefined) throw invalid("no field `timezone`");
  if (typeof zone !== "string" || !isTimezone(zone)) {
    throw invalid(`invalid timezone string \`${prettyTextCut(zone)}\``);
  }
  return timeOf(epoch, zone);
}

function isTimezone(zone: string): boolean {
  const match = /^(?:Z|[+-](\d\d)(?::?(\d\d))?)$/.exec(zone);
  return match !== null && Number(match[1] ?? 0) < 24 && Number(match[2] ?? 0) < 60;
}

/** A time, rounded to whole milliseconds, halves away from zero. `zone` is `Z` or `+hh:mm`. */
export function timeOf(epochSeconds: number, zone: string): DatumObject {
  return record({
    $reql_type$: "TIME",
    epoch_time: (Math.sign(epochSeconds) * Math.round(Math.abs(epochSeconds) * 1000)) / 1000,
    timezone: normalZone(zone),
  });
}

function normalZone(zone: string): string {
  if (zone === "Z") return "+00:00";
  const digits = zone.replace(":", "");
  return `${digits.slice(0, 3)}:${digits.slice(3, 5).padEnd(2, "0")}`;
}

function decodeBinary(object: DatumObject): BinaryDatum {
  for (const name of object.keys()) {
    if (name !== "$reql_type$" && name !== "data") {
      throw logicError(`Invalid binary pseudotype: illegal \`${name}\` key.`);
    }
  }
  const data = object.get("data");
  if (data === undefined) throw logicError("Invalid binary pseudotype: lacking `data` key.");
  if (typeof data !== "string") {
    throw logicError(`Expected type STRING but found ${typeName(data)}.`);
  }
  return new BinaryDatum(Buffer.from(data, "base64"));
}

function checkGeometry(object: DatumObject): DatumObject {
  for (const name of object.keys()) {
    if (!["$reql_type$", "type", "coordinates", "crs"].includes(name)) {
      throw logicError(`Unrecognized field \`${name}\` found in geometry object.`);
    }
  }
  const coordinates = object.get("coordinates");
  if (!object.has("type")) {
    throw new ReqlError("nonExistence", "Field `type` not found in geometry object.");
  }
  if (coordinates === undefined) {
    throw new ReqlError("nonExistence", "Field `coordinates` not found in geometry object.");
  }
  if (!isArray(coordinates)) {
    throw logicError(`Expected type ARRAY but found ${typeName(coordinates)}.`);
  }
  return object;
}

/** A geometry of GeoJSON's `type` and `coordinates`. */
export function geometryOf(type: string, coordinates: Datum): DatumObject {
  return record({ $reql_type$: "GEOMETRY", coordinates, type });
}

/** Merges like ReQL's `merge`: objects field by field, `r.literal` replaces or removes, anything else replaces. */
export function merge(left: Datum, right: Datum): Datum {
  if (!(left instanceof Map) || !(right instanceof Map) || isLiteral(right)) {
    return dropLiterals(right) ?? null;
  }
  let merged: DatumObject = left;
  for (const [name, value] of right as DatumObject) {
    const before = merged.get(name);
    const both = value instanceof Map && before !== undefined && !isLiteral(value);
    const after = both ? merge(before, value) : dropLiterals(value);
    merged = after === undefined ? without(merged, name) : withField(merged, name, after);
  }
  return merged.has("$reql_type$") ? sanitizePseudoType(merged) : merged;
}

function without(object: DatumObject, name: string): DatumObject {
  const copy = new Map(object);
  copy.delete(name);
  return copy;
}

export function isLiteral(datum: Datum): boolean {
  return datum instanceof Map && (datum as DatumObject).get("$reql_type$") === "LITERAL";
}

/** The value with every literal replaced by what it holds; undefined for `r.literal()` itself. */
function dropLiterals(datum: Datum): Datum | undefined {
  if (isLiteral(datum)) return (datum as DatumObject).get("value");
  if (!(datum instanceof Map)) return datum;
  let changed = false;
  const fields: [string, Datum][] = [];
  for (const [name, value] of datum as DatumObject) {
    const kept = dropLiterals(value);
    if (kept !== value) changed = true;
    if (kept !== undefined) fields.push([name, kept]);
  }
  return changed ? new Map(fields) : datum;
}
