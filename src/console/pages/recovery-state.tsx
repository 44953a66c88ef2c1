/** In which state a recovery is, and for whom it waits. */
import { isSamePerson } from "../../recoveries/person.js";
import type { Recoveries, Recovery } from "../app/answers.js";
import { Badge, type Tone } from "../parts/bits.js";

export type Listed = Recoveries["recoveries"][number];

const tones: Record<string, Tone> = {
  planned: "plain",
  waiting: "warn",
  running: "plain",
  done: "good",
  failed: "bad",
  parked: "bad",
  cancelled: "unknown",
};

export function StateBadge({
  recovery,
}: {
  recovery: Pick<Recovery, "state" | "waitsFor" | "planIn">;
}) {
  return <Badge tone={tones[recovery.state] ?? "plain"}>{stateText(recovery)}</Badge>;
}

export function stateText({
  state,
  waitsFor,
  planIn,
}: Pick<Recovery, "state" | "waitsFor" | "planIn">): string {
  switch (state) {
    case "planned":
      return planIn === undefined ? "plan is being made" : "waits for a process";
    case "waiting":
      return `waits for ${waitsFor.join(" and ")}`;
    case "parked":
      return "parked: begun three times, and never ended";
    default:
      return state;
  }
}

export interface Person {
  name: string;
  may: (right: string) => boolean;
}

/** What this person can do about a recovery that waits, and why not. */
export function consentsOf(
  { state, waitsFor, by, confirmedBy, approvedBy }: Listed,
  { name, may }: Person,
): { confirm: boolean; approve: boolean; whyNotConfirm?: string; whyNotApprove?: string } {
  const isWaiting = state === "waiting";
  const wantsConfirmation = isWaiting && waitsFor.includes("confirmation");
  const wantsApproval = isWaiting && waitsFor.includes("approval");
  const isName = (one: { name: string } | undefined) =>
    one !== undefined && isSamePerson(one, { name });
  const whyNotConfirm = !wantsConfirmation
    ? undefined
    : !may("request")
      ? "Somebody with the role operator or admin has to confirm it."
      : isName(approvedBy)
        ? "You have approved it, so somebody else has to confirm it."
        : undefined;
  const whyNotApprove = !wantsApproval
    ? undefined
    : isName(by)
      ? "You have requested it, so you cannot approve it. Somebody else with the role approver or admin has to."
      : isName(confirmedBy)
        ? "You have confirmed it, so somebody else with the role approver or admin has to approve it."
        : may("approve")
          ? undefined
          : `Somebody with the role approver or admin has to approve it: not ${by.name}, who has requested it.`;
  return {
    confirm: wantsConfirmation && whyNotConfirm === undefined,
    approve: wantsApproval && whyNotApprove === undefined,
    ...(whyNotConfirm === undefined ? {} : { whyNotConfirm }),
    ...(whyNotApprove === undefined ? {} : { whyNotApprove }),
  };
}
