/** Members that are gone, or were taken for gone. */
import { ThinkbackError } from "../errors.js";
import { WriterMayRun } from "../repository/log/claim-epoch.js";
import { listClaims } from "../repository/log/claims.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import type { Coordinator } from "../repository/registers/members.js";
import type { ObjectStore } from "../storage/object-store.js";

/** The last writer of a lane, if it is a member that is there no more and has not closed its log. */
export async function goneWriter(
  store: ObjectStore,
  coordinator: Coordinator,
): Promise<WriterMayRun | undefined> {
  const claim = (await listClaims(store)).at(-1);
  if (claim?.member === undefined || !coordinator.hasGone(claim.member)) return undefined;
  const end = await endOfLog(await LogView.read(store));
  const last = end?.epoch === claim.epoch ? end : undefined;
  return last?.closed ? undefined : new WriterMayRun(claim, last, last?.to ?? claim.started, false);
}

/** What a process ends by of which others have taken the last lane. */
export function shutOut(cause: unknown): ThinkbackError {
  const message =
    "this process stood still, or could not tell the others that it runs: they have taken all its lanes";
  return new ThinkbackError("fenced", message, {
    hint: "start it again: it shares the lanes with the others. What it did not store is resynced by them",
    cause,
  });
}
