/** Prints and logs what was sent to the store of a repository. */
import type { Clock } from "../clock.js";
import { formatInstant } from "../instant.js";
import type { LaneStatus } from "../repository/lane-status.js";
import type { ObjectStore } from "../storage/object-store.js";
import { storeAt } from "../storage/store-at.js";
import { noUse, type StoreUse, useSince } from "../storage/store-use.js";
import type { Log } from "./log.js";
import { formatBytes, formatCount, type Output } from "./output.js";

/** How often a capture logs what it has sent. */
const everyMs = 3_600_000;

export function requestsText({ puts, gets, heads, lists, deletes, ...bytes }: StoreUse): string {
  const counts = { PUT: puts, GET: gets, HEAD: heads, LIST: lists, DELETE: deletes };
  const texts = Object.entries(counts).map(([kind, count]) => `${formatCount(count)} ${kind}`);
  const { bytesUp, bytesDown } = bytes;
  return `requests: ${texts.join(", ")}; ${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down`;
}

/**
 * A store for one command, and an output that adds to the command's result what was sent to the store. People see it
 * only where requests are charged for.
 */
export function countedStore(
  location: string,
  output: Output,
  layers: { singleWriter?: boolean | undefined } = {},
): { store: ObjectStore; output: Output; use: StoreUse } {
  const use = { ...noUse };
  const singleWriter = layers.singleWriter === true;
  const store = storeAt(location, undefined, { use, singleWriter });
  const result = (value: object) => {
    if (store.chargesRequests) output.line(requestsText(use));
    output.result({ ...value, requests: use });
  };
  return { store, output: { ...output, result }, use };
}

/** Logs every hour what was sent since the last time, until the signal aborts. */
export async function logRequests(
  use: StoreUse,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let before = { ...use };
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    log.info(useSince(use, before), "requests to the repository's store");
    before = { ...use };
  }
}

/** What the processes that capture have sent, as they state it: a line for each of them. */
export function sentLines(lanes: LaneStatus[]): string[] {
  const newest = new Map<string, LaneStatus>();
  for (const lane of lanes) {
    const { writer, requests } = lane;
    const process = `${writer?.process} on ${writer?.host}`;
    const known = newest.get(process)?.requests;
    // A process states the same count in all of its lanes; the greatest is the newest.
    if (requests && requests.puts >= (known?.puts ?? 0)) newest.set(process, lane);
  }
  return [...newest].map(([process, { requests }]) => {
    const { since, ...use } = requests!;
    const of = newest.size > 1 ? ` by process ${process}` : "";
    return `${requestsText(use)}; since ${formatInstant(since)}${of}`;
  });
}
