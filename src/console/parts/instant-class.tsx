/** Says of which class an instant is for the tables that are meant, before anything is asked of them. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Coverage } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { pathOf } from "../app/router.js";
import { may } from "../app/session.js";
import { isoText, Moment, now } from "../app/time.js";
import { Badge, counted, type Tone, Wrong } from "./bits.js";
import { type ClassAt, type ClassName, classAt, namesChosen, tableCalled } from "./class-at.js";

/** So often the coverage is read again while the instant waits for its proof. */
const openMs = 3000;

/** The classes of an instant by the names of the tables. @param chosen names of tables or databases; all if none */
export function classesAt(
  { tables }: Coverage,
  at: number,
  chosen: readonly string[],
): Map<string, ClassAt> {
  const classes = new Map<string, ClassAt>();
  for (const name of namesChosen(tables, chosen)) {
    const table = tableCalled(tables, name, at);
    if (table) classes.set(name, classAt(table, at));
  }
  return classes;
}

const tones: Record<ClassName, Tone> = {
  exact: "good",
  late: "warn",
  gap: "bad",
  damaged: "bad",
  unwatched: "unknown",
  thinned: "warn",
  open: "unknown",
};

const order: ClassName[] = ["exact", "open", "late", "thinned", "gap", "damaged", "unwatched"];

/** How late at most, as the command line says it. */
export const lateText = (lateMs: number | undefined | null): string =>
  `late by at most ${((lateMs ?? 0) / 1000).toFixed(1)} s`;

export function classWord({ class: of, lateMs }: ClassAt): string {
  if (of === "late") return lateText(lateMs);
  return of === "open" ? "not proven yet" : of;
}

export const ClassBadge = ({ of }: { of: ClassAt }) => (
  <Badge tone={tones[of.class]}>{classWord(of)}</Badge>
);

/** What the class means for who chooses the instant. */
function meaning({ class: of }: ClassAt, at: number): string {
  switch (of) {
    case "exact":
      return "what was acknowledged by then is there";
    case "late":
      return "every version is there, but some may be labelled later than they were";
    case "gap":
      return "not watched then; the states before and after are known";
    case "damaged":
      return "a stored object is missing, or fails its check";
    case "unwatched":
      return "nothing is known of that instant";
    case "thinned":
      return "the history of then is thinned, and this instant is not kept";
    case "open":
      return at > now() ? "that instant is still to come" : "the proof follows within seconds";
  }
}

/** At most so many names of tables stand in a line. */
const namedMax = 3;

export function namesText(names: readonly string[]): string {
  const first = names.slice(0, namedMax).join(", ");
  return names.length > namedMax ? `${first} and ${names.length - namedMax} more` : first;
}

/** The class of an instant for the chosen tables, those of one class together. */
export function InstantClasses({
  at,
  tables,
  onAt,
}: {
  at: number;
  /** Names of tables or databases; all if there are none. */
  tables: readonly string[];
  /** Takes a nearest instant. Without it none is offered. */
  onAt?: ((text: string) => void) | undefined;
}) {
  const [waits, setWaits] = useState(false);
  const one = tables.length === 1 && tables[0]!.includes(".") ? tables[0] : undefined;
  const { data, error } = useAsked<Coverage>(pathOf("/v1/coverage", { table: one }), {
    topic: "tables",
    everyMs: 20_000,
    ...(waits ? { everyMs: openMs } : {}),
  });
  const classes = data && classesAt(data, at, tables);
  const isOpen = [...(classes?.values() ?? [])].some((of) => of.class === "open");
  // It is read again as long as something waits for its proof.
  useEffect(() => setWaits(isOpen), [isOpen]);
  if (error && !data) return <Wrong error={error} />;
  if (!classes) return <div class="instant-classes" />;
  return <ClassLines at={at} classes={classes} onAt={onAt} />;
}

export function ClassLines({
  at,
  classes,
  onAt,
}: {
  at: number;
  classes: ReadonlyMap<string, ClassAt>;
  onAt?: ((text: string) => void) | undefined;
}) {
  const groups = new Map<string, { of: ClassAt; names: string[] }>();
  for (const [name, of] of classes) {
    const key = `${order.indexOf(of.class)} ${of.lateMs ?? 0} ${of.reason ?? ""}`;
    const { of: before, names } = groups.get(key) ?? { of, names: [] };
    groups.set(key, { of: aroundBoth(before, of), names: [...names, name] });
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  return (
    <ul class="instant-classes" aria-label="Class of this instant">
      {sorted.length === 0 && <li class="note">No table is known under these names.</li>}
      {sorted.map(({ of, names }) => (
        <li key={`${of.class} ${names[0]}`}>
          <ClassBadge of={of} />{" "}
          {names.length === classes.size && names.length > 1
            ? `all ${counted(names.length, "table")}`
            : namesText(names)}
          : {meaning(of, at)}
          <Reason of={of} />
          {onAt && of.class !== "exact" && <Nearest of={of} onAt={onAt} />}
        </li>
      ))}
    </ul>
  );
}

/** The nearest instants around what several tables lack: for all of them something is known there. */
function aroundBoth(a: ClassAt, b: ClassAt): ClassAt {
  const { earlier: earlierOfA, later: laterOfA, ...rest } = a;
  const both = (of: typeof Math.min, one?: number, other?: number) =>
    one === undefined || other === undefined ? undefined : of(one, other);
  const earlier = both(Math.min, earlierOfA, b.earlier);
  const later = both(Math.max, laterOfA, b.later);
  return {
    ...rest,
    ...(earlier === undefined ? {} : { earlier }),
    ...(later === undefined ? {} : { later }),
  };
}

function Reason({ of }: { of: ClassAt }): ComponentChildren {
  if (of.reason === undefined) return null;
  if (of.reason !== null) return <span class="note"> ({of.reason})</span>;
  return may("contents") ? null : <span class="note"> (reason hidden from this role)</span>;
}

function Nearest({ of, onAt }: { of: ClassAt; onAt: (text: string) => void }) {
  const instants = [of.earlier, of.later].filter((one) => one !== undefined);
  if (instants.length === 0) return null;
  return (
    <span class="instant-nearest">
      {instants.map((one) => (
        <button key={one} type="button" onClick={() => onAt(isoText(one))}>
          take <Moment at={one} short />
          <span class="hidden"> {isoText(one)}</span>
        </button>
      ))}
    </span>
  );
}
