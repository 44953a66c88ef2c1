/** The steps of a recovery: which are done, and which is the present one. */
import type { Recovery } from "../app/answers.js";
import { Moment } from "../app/time.js";

type Standing = "done" | "now" | "next" | "failed";

interface Step {
  name: string;
  is: Standing;
  note?: string | undefined;
}

const words: Record<Standing, string> = {
  done: "done",
  now: "now",
  next: "to come",
  failed: "ended here",
};

export function Steps({ recovery }: { recovery: Recovery }) {
  const steps = stepsOf(recovery);
  return (
    <>
      <ol class="recovery-steps" aria-label="Steps">
        {steps.map(({ name, is, note }) => (
          <li key={name} class={is} aria-current={is === "now" ? "step" : undefined}>
            <span class="name">{name}</span>
            <span class="note">{note ?? words[is]}</span>
          </li>
        ))}
      </ol>
      <p class="note recovery-changed">
        Last heard of <Moment at={recovery.changedAt} />
      </p>
    </>
  );
}

export function stepsOf(recovery: Recovery): Step[] {
  const { state, confirm, needsApproval, confirmedBy, approvedBy, planIn, command } = recovery;
  const { waitsFor, error } = recovery;
  const isOver = ["done", "failed", "cancelled", "parked"].includes(state);
  const isBad = isOver && state !== "done";
  const hasPlan = planIn !== undefined;
  const isWaiting = state === "waiting";
  const hasBegun =
    state === "running" || state === "done" || (hasPlan && recovery.result !== undefined);
  const ended: Standing = isBad ? "failed" : "now";
  const steps: Step[] = [];
  if (command !== "drill") {
    const note = hasPlan ? undefined : state === "failed" ? error?.code : undefined;
    steps.push({ name: "Plan", is: hasPlan ? "done" : ended, note });
  }
  const consent = (name: string, isWanted: boolean, given: { name: string } | undefined) => {
    if (!isWanted) return;
    const isNow = isWaiting && waitsFor.includes(name.toLowerCase());
    const is = given ? "done" : isNow ? "now" : isBad && hasPlan ? "failed" : "next";
    steps.push({ name, is, note: given && `by ${given.name}` });
  };
  consent("Confirmation", confirm, confirmedBy);
  consent("Approval", needsApproval, approvedBy);
  const consented = (!confirm || confirmedBy) && (!needsApproval || approvedBy);
  const mayRun = hasPlan && !isWaiting && Boolean(consented);
  const running: Standing = state === "done" ? "done" : mayRun || hasBegun ? ended : "next";
  steps.push({ name: "Carry out", is: running });
  steps.push({ name: "Report", is: state === "done" ? "done" : "next" });
  return steps;
}
