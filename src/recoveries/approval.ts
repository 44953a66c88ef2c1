/** Which requests want a confirmation of their plan, and the approval of a second person. */
import { type Approval, approvalOf, type Settings } from "../repository/registers/settings.js";
import { type CheckedRequest, isGiven, liveTarget, targetOf } from "./allowed.js";
import { type Consent, consents, type RecoveryEvent, type StoredRequest } from "./events.js";
import { isSamePerson } from "./person.js";

/** What the plan of a request waits for. The settings may want by now what they did not when it was stored. */
export function consentsFor(request: StoredRequest, settings: Settings): Consent[] {
  const wants: Record<Consent, boolean> = {
    confirmation: request.confirm === true,
    approval: request.approval || wantsApproval(settings, request),
  };
  return consents.filter((one) => wants[one]);
}

/**
 * True if a recovery has what it was to wait for, of persons who may give it; whatever its state says.
 * @param first its request
 * @param planned the event that made its plan
 * @param last the event that counts
 */
export function hasConsents(
  first: RecoveryEvent,
  planned: RecoveryEvent,
  { confirmedBy, approvedBy }: RecoveryEvent,
): boolean {
  const { confirm, approval } = first.request!;
  const { waitsFor = [] } = planned;
  if ((confirm || waitsFor.includes("confirmation")) && !confirmedBy) return false;
  if (!approval && !waitsFor.includes("approval")) return true;
  if (approvedBy === undefined || isSamePerson(approvedBy, first.by)) return false;
  return confirmedBy === undefined || !isSamePerson(approvedBy, confirmedBy);
}

/** True if a request wants a second person's approval under the settings of its repository. */
export function wantsApproval(settings: Settings, request: CheckedRequest): boolean {
  const policy: Approval = approvalOf(settings);
  return policy === "all" || (policy === "live" && changesLive(request));
}

/**
 * True if a request changes live data, or what clients find under a name. Undo and rewind work on the captured cluster
 * only, and a swap is one wherever it is made, under whatever name the cluster is known.
 */
export function changesLive(request: CheckedRequest): boolean {
  const { command, args } = request;
  switch (command) {
    case "rewind":
    case "undo":
    case "promote":
      return true;
    case "restore":
      return targetOf(request) === liveTarget && !isGiven(args, "--beside");
    case "drill":
      return targetOf(request) === liveTarget;
  }
}
