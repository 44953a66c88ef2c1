/** Whether it is done: confirm, approve, or not. */
import { useId, useState } from "preact/hooks";
import type { Recovery } from "../app/answers.js";
import { ask, Problem } from "../app/ask.js";
import { go } from "../app/router.js";
import { may, signedIn } from "../app/session.js";
import { useShared } from "../app/store.js";
import { Card, Wrong } from "../parts/bits.js";
import type { Plan } from "./recovery-read.js";
import { consentsOf } from "./recovery-state.js";
import { buttonText, isPartial, nameToType } from "./recovery-text.js";

interface Props {
  recovery: Recovery;
  plan: Plan | undefined;
  take: (recovery: Recovery) => void;
}

export function Decide({ recovery, plan, take }: Props) {
  const who = useShared(signedIn);
  const [doing, setDoing] = useState<string>();
  const [error, setError] = useState<Problem>();
  const { id, state, command, args = [], planIn, by } = recovery;
  const isOpen = ["planned", "waiting", "running", "parked"].includes(state);
  // What was pressed too late is told also when it is over.
  if (!isOpen || who.state !== "in") return error ? <Wrong error={error} /> : null;
  const person = { name: who.session.name, may };
  const { confirm, approve, whyNotConfirm, whyNotApprove } = consentsOf(recovery, person);
  const send = async (what: "confirm" | "approve" | "cancel", body?: object) => {
    setDoing(what);
    setError(undefined);
    try {
      const asking = { method: "POST" as const, ...(body ? { body } : {}) };
      take(await ask<Recovery>(`/v1/recoveries/${id}/${what}`, asking));
    } catch (thrown) {
      setError(thrown instanceof Problem ? thrown : new Problem(0, "defect", String(thrown)));
    }
    setDoing(undefined);
  };
  const text = plan && buttonText(plan, command, isPartial(args));
  const isNothing = plan !== undefined && plan.is !== "none" && text === undefined;
  const sayDo = text ?? `Carry out this ${command}`;
  const isRunning = state === "running";
  const title = state === "waiting" ? "Shall it be done?" : isRunning ? "Stop it?" : "Or not?";
  const mayCancel = may("request");
  if (!confirm && !approve && !whyNotConfirm && !whyNotApprove && !mayCancel) return null;
  return (
    <Card title={title} kind={state === "waiting" ? "recovery-decide" : ""}>
      {isNothing && (
        <p>
          <strong>Nothing would be written.</strong> What the plan names is as it would become, or
          is left as it is: see what it says of conflicts and of keys.
        </p>
      )}
      {confirm && !isNothing && (
        <Confirm
          text={sayDo}
          name={plan && nameToType(plan)}
          isDoing={doing !== undefined}
          onConfirm={(typed) =>
            void send("confirm", { number: planIn, ...(typed === "" ? {} : { name: typed }) })
          }
        />
      )}
      {whyNotConfirm && <p>{whyNotConfirm}</p>}
      {approve && !isNothing && (
        <>
          <p>
            {by.name} has asked for it. If you approve it, {confirm ? "and it is confirmed, " : ""}
            it is carried out as the plan says, and not otherwise.
          </p>
          <button
            type="button"
            class="main recovery-do"
            disabled={doing !== undefined}
            onClick={() => void send("approve")}
          >
            Approve: {sayDo}
          </button>
        </>
      )}
      {whyNotApprove && <p>{whyNotApprove}</p>}
      {error && <Wrong error={error} />}
      {mayCancel && (
        <p class="recovery-not">
          <button type="button" disabled={doing !== undefined} onClick={() => void send("cancel")}>
            {isRunning ? "Stop it now" : "Do not do it"}
          </button>{" "}
          <span class="note">{ifLeft(recovery)}</span>
        </p>
      )}
      {!mayCancel && (
        <p class="recovery-not">
          <button type="button" onClick={() => go("/recoveries")}>
            Not now
          </button>{" "}
          <span class="note">
            It goes on waiting. {by.name}, an operator or an admin can cancel it.
          </span>
        </p>
      )}
    </Card>
  );
}

/** What becomes of it if the button is not pressed, or is. */
function ifLeft({ state, confirm, planIn }: Recovery): string {
  switch (state) {
    case "waiting":
      return "If you just leave, it goes on waiting: you find it among the recoveries.";
    case "running":
      return "What is written by then stays; it is said then how to go on or back.";
    case "parked":
      return "It does not go on by itself. Look at the error, and request it anew.";
    default:
      return confirm && planIn === undefined
        ? "If you just leave, its plan waits for you among the recoveries."
        : "It goes on by itself as soon as a process takes it.";
  }
}

function Confirm({
  text,
  name,
  isDoing,
  onConfirm,
}: {
  text: string;
  name: string | undefined;
  isDoing: boolean;
  onConfirm: (typed: string) => void;
}) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const isTyped = name === undefined || typed.trim() === name;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isTyped && !isDoing) onConfirm(typed.trim());
      }}
    >
      {name !== undefined && (
        <div class="field">
          <label for={id}>
            Live data change. To confirm, type <code>{name}</code>
          </label>
          <input
            id={id}
            value={typed}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </div>
      )}
      <button
        type="submit"
        class={`${name === undefined ? "main" : "danger"} recovery-do`}
        disabled={!isTyped || isDoing}
      >
        {text}
      </button>
    </form>
  );
}
