/** From what differs to what is done about it: the safest way first, and nothing is done here. */
import type { Point } from "../app/answers.js";
import { Link } from "../app/router.js";
import { may } from "../app/session.js";
import { counted } from "../parts/bits.js";
import { type Draft, recover } from "../parts/recover-draft.js";
import type { Inexact } from "./compare-run.js";

/** A request has at most so many words, and each key is one. */
export const keysMax = 150;

interface Props {
  table: string;
  /** The instant that was asked for. */
  at: string;
  to: string | undefined;
  inexact: Inexact;
  /** Keys of documents that are chosen; none: the whole table is meant. */
  keys: readonly unknown[];
  /** The burst that came right after the instant. */
  burst: Point | undefined;
  /** True if no live table has the name. */
  isGone?: boolean;
}

export function Ways({ table, at, to, inexact, keys, burst, isGone = false }: Props) {
  if (!may("request")) {
    return (
      <p class="note">
        This role may look, and not ask for a recovery. An operator or an administrator may.
      </p>
    );
  }
  const some = keys.length === 0 ? undefined : counted(keys.length, "document");
  const about = {
    tables: [table],
    ...(keys.length > 0 ? { keys: [...keys] } : {}),
    ...(inexact === "" ? {} : { inexact }),
  };
  if (keys.length > keysMax) {
    return (
      <p class="note">
        {some} are chosen. At most {keysMax} can be taken back by their keys: choose fewer, or none
        for the whole table.
      </p>
    );
  }
  if (isGone) {
    return (
      <div class="compare-ways">
        <Way
          draft={{ command: "restore", ...about, at, beside: false }}
          label="Restore the table"
          main
        >
          Makes it again under its own name. Nothing else is changed.
        </Way>
      </div>
    );
  }
  const end = to ?? burst?.until ?? undefined;
  const undone = burst ? `only the change of then: ${burst.text}` : "what was changed after then";
  return (
    <div class="compare-ways">
      {some && (
        <Way draft={{ command: "rewind", ...about, at }} label={`Recover ${theseText(keys)}`} main>
          Writes {keys.length === 1 ? "this document" : "these documents"} as{" "}
          {keys.length === 1 ? "it was" : "they were"} then. No other document is touched.
        </Way>
      )}
      <Way
        draft={{ command: "restore", ...about, at, beside: true }}
        label="Restore beside"
        main={!some}
      >
        Puts {some ?? "the table"} as of then into a table next to the live one. Nothing live
        changes; look at it, and promote it if it is right.
      </Way>
      <Way
        draft={{ command: "undo", ...about, from: at, ...(end === undefined ? {} : { to: end }) }}
        label="Take back just these changes"
      >
        Undoes {undone}
        {some && `, in ${some}`}, field by field.{" "}
        {end === undefined
          ? "That is everything that anybody has changed until now."
          : "What others have changed later stays."}
      </Way>
      {!some && (
        <Way draft={{ command: "rewind", ...about, at }} label="Rewind the table">
          Writes every document that differs as it was then. What others have changed since is lost,
          and what was inserted since is deleted.
        </Way>
      )}
    </div>
  );
}

const theseText = (keys: readonly unknown[]) =>
  keys.length === 1 ? "this document" : `these ${counted(keys.length, "document")}`;

function Way({
  draft,
  label,
  main = false,
  children,
}: {
  draft: Draft;
  label: string;
  main?: boolean;
  children: preact.ComponentChildren;
}) {
  return (
    <>
      <Link class={main ? "button main" : "button"} {...recover(draft)}>
        {label}…
      </Link>
      <span class="note">{children}</span>
    </>
  );
}
