/** The first reading of the catalog, by which a capture knows whether it is at the right source. */
import { ThinkbackError } from "../errors.js";
import type { Catalog } from "../repository/catalog.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";
import { isRefusal } from "../rethinkdb/response.js";
import { ForeignCluster, type Source } from "../rethinkdb/source.js";
import { withoutScratch } from "./selection.js";

export async function readFirstCatalog(source: Source): Promise<CatalogReading> {
  try {
    return withoutScratch(await source.readCatalog());
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new ThinkbackError(
      "source",
      `the catalog of ${source.location} cannot be read: ${error.message}`,
      {
        hint: 'grant the user r.db("rethinkdb").grant(user, {read: true})',
        cause: error,
      },
    );
  }
}

/**
 * A repository keeps one source's history: another cluster's tables would make all of its tables seem dropped. A
 * cluster is known by the servers that it ever had, and by its databases and tables.
 */
export function recogniseSource(
  source: Source,
  { servers, structure }: CatalogReading,
  written: Catalog,
  accept: boolean,
): void {
  const ids = [...servers.map(({ id }) => id), ...structure.map(({ key }) => key[1]!)];
  const known = new Set(
    [...written.servers(), ...written.databases(), ...written.tables()].map(({ id }) => id),
  );
  const isForeign = known.size > 0 && !ids.some((id) => known.has(id));
  if (isForeign && !accept) {
    const { message, hint = "" } = new ForeignCluster(source.location);
    throw new ThinkbackError("repository", message, { hint });
  }
  source.recognise(isForeign ? ids : [...known, ...ids]);
}
