import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { lookAt } from "../repository/repository-view.js";
import type { Target } from "../rethinkdb/target.js";

/**
 * The error for a target of which no server was ever one of those that were captured, such as a standby; undefined if
 * it is the cluster that was captured, or its user may not read which servers it has.
 */
export async function otherCluster({
  repository,
  target,
}: {
  repository: Repository;
  target: Target;
}): Promise<ThinkbackError | undefined> {
  const servers = await target.servers();
  if (servers === undefined) return undefined;
  const known = await lookAt(repository, async (view) => {
    const last = await view.lastInstant();
    return last === undefined ? [] : (await view.catalog(last)).servers();
  });
  if (known.length === 0 || known.some(({ id }) => servers.includes(id))) return undefined;
  return new ThinkbackError(
    "target",
    `${target.location} is another cluster than the one that was captured here`,
    {
      hint: "give --target with the address of the captured cluster; a restored one or a standby has other tables",
    },
  );
}
