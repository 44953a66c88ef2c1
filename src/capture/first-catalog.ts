/** Reads the catalog for the first time, and finds out whether the capture is at the right source. */
import { ThinkbackError } from "../errors.js";
import type { Catalog, KnownServer } from "../repository/log/catalog.js";
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
        hint: 'grant the user read on the tables that it is to capture, and r.db("rethinkdb").grant(user, {read: true})',
        cause: error,
      },
    );
  }
}

export interface ClusterOptions {
  /** From now on take this cluster for the source: another than the repository knows, or what is left of that one. */
  acceptCluster: boolean;
  /** Names or ids of servers that are gone for good: the catalog's proof does not wait for them. */
  forgetServers: readonly string[];
}

/**
 * Checks that the source is the repository's cluster. A repository keeps one source's history: another cluster's tables
 * would make all of its tables seem dropped. A cluster is known by the servers that it ever had, and by its databases
 * and tables.
 * @returns ids of the servers to forget; none of them is connected
 * @throws {ThinkbackError} `repository` if it is another cluster; `unknown` if a server to forget was never seen
 */
export function recogniseSource(
  source: Source,
  { servers, structure }: CatalogReading,
  written: Catalog,
  { acceptCluster, forgetServers }: ClusterOptions,
): string[] {
  const connected = servers.map(({ id }) => id);
  const ids = [...connected, ...structure.map(({ key }) => key[1]!)];
  const ours = written.servers().filter(({ forgotten }) => !forgotten);
  const known = new Set([...ours, ...written.databases(), ...written.tables()].map(({ id }) => id));
  const isForeign = known.size > 0 && !ids.some((id) => known.has(id));
  if (isForeign && !acceptCluster) {
    const { message, hint = "" } = new ForeignCluster(source.location);
    throw new ThinkbackError("repository", message, { hint });
  }
  const gone = acceptCluster
    ? ours
    : forgetServers.flatMap((name) => serversCalled(name, written.servers()));
  source.recognise(isForeign ? ids : [...known, ...ids]);
  return gone.map(({ id }) => id).filter((id) => !connected.includes(id));
}

/** The servers with this name or id. There may be several: a new server may have the name of one that is gone. */
function serversCalled(name: string, known: KnownServer[]): KnownServer[] {
  const called = known.filter((server) => server.name === name || server.id === name);
  if (called.length > 0) return called;
  throw new ThinkbackError("unknown", `the cluster never had a server ${name}`, {
    hint: `servers known: ${known.map((server) => server.name).join(", ") || "none"}`,
  });
}
