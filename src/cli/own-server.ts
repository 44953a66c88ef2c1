/** A server of our own for a drill or a preview without a target. */
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatAddress } from "../rethinkdb/address.js";
import { dialer } from "../rethinkdb/channel.js";
import { RethinkTarget } from "../rethinkdb/rethink-target.js";
import { findRunner } from "../rethinkdb/scratch-command.js";
import { ScratchServer } from "../rethinkdb/scratch-server.js";
import type { ScratchUse } from "../scratch-database.js";

/** @throws {ThinkbackError} `usage` if no server can be run here, `full`, `target`, or `incomplete` if it is stopped */
export async function startServer(
  use: ScratchUse,
  signal: AbortSignal,
  http = false,
): Promise<ScratchServer> {
  const runner = await findRunner(use);
  try {
    return await ScratchServer.start(systemClock, signal, { use, http, runner });
  } catch (error) {
    // The server keeps its data among the scratch files, and prints itself that there is no room.
    if (/no space left/i.test(messageOf(error))) {
      throw new ThinkbackError("full", messageOf(error), {
        hint: `make room in the directory that TMPDIR names, or give --target, a server for the ${use}`,
        cause: error,
      });
    }
    if (!signal.aborted) throw error;
    throw new ThinkbackError("incomplete", `the ${use} was stopped before its end`, {
      cause: error,
    });
  }
}

export function targetOf({ address }: ScratchServer): RethinkTarget {
  return new RethinkTarget(formatAddress(address), dialer(address, "target"));
}
