/** Which requests want the approval of a second person. */
import { type Approval, approvalOf, type Settings } from "../repository/registers/settings.js";
import { type CheckedRequest, isGiven, liveTarget, targetOf } from "./allowed.js";

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
