/** The server's pseudo types in JSON text: as it would keep them, and what it would refuse. */

/** A text that is no document, or one that no server could hold; its message says why. */
export class NotADocument extends Error {}

export type JsonObject = Record<string, unknown>;

/**
 * An object with a field `$reql_type$` as the server would keep it.
 * @throws {NotADocument}
 */
export function tidied(object: JsonObject): JsonObject {
  const type = object["$reql_type$"];
  switch (type) {
    case "TIME":
      return tidiedTime(object);
    case "BINARY":
      return tidiedBinary(object);
    case "GEOMETRY":
      return checkedGeometry(object);
    case "LITERAL":
      return checkedLiteral(object);
    default:
      throw new NotADocument(`it has a value of the unknown type ${JSON.stringify(type)}`);
  }
}

function tidiedTime(object: JsonObject): JsonObject {
  const { epoch_time: seconds, timezone, ...rest } = object;
  const zone = typeof timezone === "string" ? zoneOf(timezone) : undefined;
  if (typeof seconds !== "number" || zone === undefined || Object.keys(rest).length !== 1) {
    throw new NotADocument("it has a time that is not one");
  }
  // To milliseconds; halves away from zero, as C rounds.
  const rounded = (Math.sign(seconds) * Math.round(Math.abs(seconds) * 1000)) / 1000;
  return { ...rest, epoch_time: rounded, timezone: zone };
}

/** `Z`, `+hh`, `+hhmm` and `+hh:mm` as `+hh:mm`; undefined for what is no zone. */
function zoneOf(text: string): string | undefined {
  if (text === "Z") return "+00:00";
  const match = /^([+-])([01]\d|2[0-4])(?::?([0-5]\d))?$/.exec(text);
  if (!match || text === "-00" || text === "-00:00") return undefined;
  return `${match[1]}${match[2]}:${match[3] ?? "00"}`;
}

const base64LineChars = 76;

/** The server breaks base64 into lines. It takes any number of `=`, and bits behind the last byte. */
function tidiedBinary(object: JsonObject): JsonObject {
  const { data, ...rest } = object;
  if (typeof data !== "string" || Object.keys(rest).length !== 1) {
    throw new NotADocument("it has binary data without its bytes");
  }
  const bare = data.replace(/[ \t\r\n]/g, "").replace(/=+$/, "");
  if (!/^[A-Za-z0-9+/]*$/.test(bare) || bare.length % 4 === 1) {
    throw new NotADocument("it has binary data that is not base64");
  }
  const text = Buffer.from(bare, "base64").toString("base64");
  const lines = text.match(new RegExp(`.{1,${base64LineChars}}`, "g")) ?? [];
  return { ...rest, data: lines.join("\r\n") };
}

const geometryFields = ["$reql_type$", "coordinates", "crs", "type"];

/** The server looks at a geometry's fields only. Where a point lies it asks when the geometry is used. */
function checkedGeometry(object: JsonObject): JsonObject {
  if (typeof object["type"] !== "string" || !Array.isArray(object["coordinates"])) {
    throw new NotADocument("it has a geometry without type or coordinates");
  }
  refuseOthers(object, geometryFields, "a geometry");
  return object;
}

/** A value that a merge takes as it is. The server stores one that is inserted as JSON. */
function checkedLiteral(object: JsonObject): JsonObject {
  refuseOthers(object, ["$reql_type$", "value"], "a literal");
  return object;
}

function refuseOthers(object: JsonObject, known: string[], what: string): void {
  const other = Object.keys(object).find((name) => !known.includes(name));
  if (other === undefined) return;
  throw new NotADocument(`it has ${what} with the field ${JSON.stringify(other)}`);
}
