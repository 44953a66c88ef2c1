/** Changing something: a request under way, what is wrong with it, and the dialog that asks for it. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem } from "../app/ask.js";
import { isoText } from "../app/time.js";
import { Wrong } from "./bits.js";
import { readInstant } from "./instant-field.js";

export interface Act {
  isActing: boolean;
  error: Problem | undefined;
  /** Does the work; resolves with false if it failed, which `error` then tells. */
  act: (work: () => Promise<unknown>) => Promise<boolean>;
}

export function useAct(): Act {
  const [isActing, setActing] = useState(false);
  const [error, setError] = useState<Problem>();
  const act = async (work: () => Promise<unknown>) => {
    setActing(true);
    setError(undefined);
    try {
      await work();
      return true;
    } catch (wrong) {
      setError(wrong instanceof Problem ? wrong : new Problem(0, "defect", String(wrong)));
      return false;
    } finally {
      setActing(false);
    }
  };
  return { isActing, error, act };
}

/** A dialog with a form. The focus goes back to where it was when it closes; Escape closes it. */
export function AskingDialog({
  title,
  submit,
  isDangerous = false,
  doing,
  onSubmit,
  onClose,
  children,
}: {
  title: string;
  /** What the button says. */
  submit: string;
  isDangerous?: boolean;
  doing: Act;
  onSubmit: () => void;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current!.showModal();
    return () => {
      const to = before instanceof HTMLElement && before.isConnected ? before : undefined;
      (to ?? document.querySelector("h1"))?.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} class="operations-dialog" aria-label={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit();
        }}
      >
        <h2>{title}</h2>
        {children}
        {doing.error && <Wrong error={doing.error} />}
        <div class="operations-buttons">
          <button type="submit" class={isDangerous ? "danger" : "main"} disabled={doing.isActing}>
            {submit}
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

/** What a person types or chooses, with its label. */
export function TextField({
  label,
  text,
  onText,
  hint,
  isNeeded = false,
  most,
}: {
  label: string;
  text: string;
  onText: (text: string) => void;
  hint?: string;
  isNeeded?: boolean;
  /** Characters. */
  most: number;
}) {
  return (
    <label class="operations-field">
      <span>{label}</span>
      <input
        value={text}
        required={isNeeded}
        maxLength={most}
        autocomplete="off"
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
      {hint && <span class="note">{hint}</span>}
    </label>
  );
}

export function Choice({
  label,
  value,
  onValue,
  among,
}: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  /** Values, and what each is called. */
  among: readonly (readonly [string, string])[];
}) {
  return (
    <label class="operations-field">
      <span>{label}</span>
      <select value={value} onChange={({ currentTarget }) => onValue(currentTarget.value)}>
        {among.map(([of, name]) => (
          <option key={of} value={of}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A reason, which only some roles are told. */
export const Reason = ({ of }: { of: string | null | undefined }) =>
  of === null ? <span class="note">hidden from this role</span> : <>{of}</>;

/** The first of a long list, and a button for more. */
export function useFirst<T>(all: readonly T[], step = 50) {
  const [most, setMost] = useState(step);
  const rest = all.length - most;
  const more =
    rest > 0 ? (
      <button type="button" onClick={() => setMost(most + step)}>
        Show {Math.min(step, rest)} more of {rest}
      </button>
    ) : null;
  return { first: all.slice(0, most), more };
}

/** An instant as a request has it: absolute, so that it means what the person saw; nothing if the field is empty. */
export function instantGiven(text: string): { at?: string } {
  const read = readInstant(text);
  if ("empty" in read) return {};
  if ("at" in read) return { at: isoText(read.at) };
  // What cannot be read is left to the server, which says why.
  return { at: text.trim() };
}
