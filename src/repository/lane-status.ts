/** What is captured in each lane, and whether a capture runs there. */
import { hasLeft } from "../format/coverage-record.js";
import type { SentRequests } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { isOfOneObject } from "../storage/object-store.js";
import { type CaptureState, captureState } from "./capture-state.js";
import { type Head, headOf } from "./log/head.js";
import { lanesOf } from "./registers/settings.js";
import type { RepositoryView } from "./repository-view.js";
import { requestsSent } from "./requests-sent.js";

export interface LaneStatus {
  lane: number;
  /** False for a lane in which no table is to be captured any more, because there are fewer lanes now. */
  inUse: boolean;
  capture: CaptureState;
  /** The process of its last writer; undefined if nothing was ever captured there. */
  writer: { host: string; process: number } | undefined;
  /** Its last segment; undefined if there is none, or if it cannot be read. */
  head: Head | undefined;
  /** End of its last segment. */
  lastSegment: Instant | undefined;
  /** How many tables are captured in it. */
  tables: number;
  /** What its writer's process has sent to the store, for all of its lanes together; undefined if it does not say. */
  requests: SentRequests | undefined;
}

export async function laneStatuses(
  view: RepositoryView,
  now: Instant | undefined,
): Promise<LaneStatus[]> {
  const inUse = lanesOf(await view.settings());
  const statuses: LaneStatus[] = [];
  for (const [lane, { view: own, coverage }] of (await view.eachLane()).entries()) {
    const { claims, to } = own.log;
    const last = claims.at(-1);
    const captured = [...coverage.tables.values()].filter(
      ({ watched, state }) => watched && !hasLeft(state),
    );
    statuses.push({
      lane,
      inUse: lane < inUse,
      capture: captureState(own.log, await own.end(), now),
      writer: last && { host: last.host, process: last.process },
      head: await headOf(own.log, lane).catch(unlessOfOneObject),
      lastSegment: to,
      tables: captured.length,
      requests: await requestsSent(own.log),
    });
  }
  return statuses;
}

/** What is wrong with the object is told where damage is told. */
function unlessOfOneObject(error: unknown): undefined {
  if (!isOfOneObject(error)) throw error;
}

const worstFirst: readonly CaptureState["state"][] = ["silent", "ended", "never", "running"];

/** The state of the capture in the lane where it is worst, of those in use. */
export function worstCapture(lanes: LaneStatus[]): CaptureState {
  const states = lanes.filter(({ inUse }) => inUse).map(({ capture }) => capture);
  const rank = ({ state }: CaptureState) => worstFirst.indexOf(state);
  return states.reduce((worst, one) => (rank(one) < rank(worst) ? one : worst));
}
