import { scratchDirectory } from "./generated.js";
import { peakOf } from "./peak.js";

/** Peak resident memory, in MiB, of a one-shot backup of the tables that `include` names. */
export async function peakMemory(
  server: { host: string; port: number },
  include: string,
  scratch: string[],
): Promise<number> {
  const repo = await scratchDirectory(scratch);
  const source = `rethinkdb://${server.host}:${server.port}`;
  return peakOf(["run", "--once", "--source", source, "--repo", repo, "--include", include]);
}
