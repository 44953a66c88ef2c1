/** The steps of a case, and what is known that may have been meant. */
import type { ComponentChildren } from "preact";
import type { Point } from "../app/answers.js";
import { Link, pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { Moment, now } from "../app/time.js";
import { Nothing, Waiting, Wrong } from "../parts/bits.js";
import { tablesOf, useKnownPoints } from "../parts/known-points.js";
import { recover } from "../parts/recover-draft.js";

/** The way of a case, from looking to what is done. */
export const Way = ({ steps }: { steps: string[] }) => (
  <ol class="happened-way" aria-label="The way">
    {steps.map((step) => (
      <li key={step}>{step}</li>
    ))}
  </ol>
);

/** One thing that may have been meant: what it is, and what can be done. */
export const Found = ({
  title,
  at,
  children,
}: {
  title: ComponentChildren;
  at?: string | undefined;
  children: ComponentChildren;
}) => (
  <li class="happened-found">
    <div>
      <strong>{title}</strong>
      {at !== undefined && (
        <div class="note">
          <Moment at={at} />
        </div>
      )}
    </div>
    <div class="happened-do">{children}</div>
  </li>
);

export const dayMs = 86_400_000;

/** At most so many bursts are listed: the largest. */
const burstsMax = 8;

/** The bursts of the last day, the largest first. */
export function burstsOf(points: readonly Point[]): Point[] {
  return points
    .filter(({ until, at }) => until !== null && Date.parse(at) > now() - dayMs)
    .sort((a, b) => (b.count ?? 0) - (a.count ?? 0))
    .slice(0, burstsMax);
}

/** @param props.none what is said if there are none */
export function Bursts({ none }: { none: ComponentChildren }) {
  const { data, error } = useKnownPoints();
  if (!data) return error ? <Wrong error={error} /> : <Waiting>looking for bursts…</Waiting>;
  const bursts = burstsOf(data.points);
  return (
    <>
      {error && <Wrong error={error} />}
      {bursts.length === 0 && <Nothing>{none}</Nothing>}
      <ul class="happened-list">
        {bursts.map((point) => {
          const [table] = tablesOf(point);
          const { before, until, text, id, at } = point;
          const draft = {
            command: "undo" as const,
            tables: [table!],
            from: before,
            to: until!,
          };
          return (
            <Found key={id} title={`${table}: ${text}`} at={at}>
              <Link class="button main" to={pathOf("/compare", { table, at: before })}>
                Compare with just before
              </Link>
              {may("request") && (
                <Link class="button" {...recover(draft)}>
                  Undo just this…
                </Link>
              )}
            </Found>
          );
        })}
      </ul>
    </>
  );
}
