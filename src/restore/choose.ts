import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { type Catalog, tableNamed } from "../repository/log/catalog.js";
import type { RestoreRequest } from "./request.js";

/**
 * The tables of a catalog that a request asks for. Throws if a table or database that it names is not in the catalog.
 */
export function chooseTables(
  catalog: Catalog,
  request: Pick<RestoreRequest, "tables" | "databases">,
  instant: Instant,
): TableConfig[] {
  if (request.tables.length > 0) {
    return request.tables.map((name) => tableNamed(catalog, name, instant));
  }
  const known = catalog.databases().map(({ name }) => name);
  const unknown = request.databases.find((db) => !known.includes(db));
  if (unknown !== undefined) {
    throw new ThinkbackError("unknown", `there was no database ${unknown} at that instant`, {
      hint: `databases known then: ${known.join(", ")}`,
    });
  }
  return catalog
    .tables()
    .filter(({ db }) => request.databases.length === 0 || request.databases.includes(db));
}
