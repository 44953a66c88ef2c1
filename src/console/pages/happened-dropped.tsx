/** A table or a database was dropped: what is known of each, and how it comes back. */
import type { Point, Status } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Link } from "../app/router.js";
import { may } from "../app/session.js";
import { Card, counted, Nothing, Shown } from "../parts/bits.js";
import { tablesOf, useKnownPoints } from "../parts/known-points.js";
import { recover } from "../parts/recover-draft.js";
import { besideName } from "./compare-tables.js";
import { Found, Way } from "./happened-steps.js";

/** At most so many are listed: the newest. */
const listedMax = 20;

/** What was dropped, and the last instant at which it can be had. */
export interface Dropped {
  id: string;
  /** "db.table", or the name of a database. */
  name: string;
  isDatabase: boolean;
  /** The tables that went with it. */
  tables: string[];
  at: string;
  before: string;
}

/** A database and its tables are dropped together, give or take a minute. */
const togetherMs = 60_000;

/**
 * What was dropped, the newest first: what the points say, and of older drops what is known of the tables. The tables
 * of a dropped database are one with it.
 */
export function droppedOf(status: Pick<Status, "tables">, points: readonly Point[]): Dropped[] {
  const drops = points.filter(({ kind }) => kind === "drop");
  const databases = points
    .filter(({ kind }) => kind === "dropdb")
    .map((point): Dropped => {
      const name = /^database (\S+) dropped$/.exec(point.text)?.[1] ?? point.text;
      const within = drops.filter(
        (one) =>
          tablesOf(one)[0]?.startsWith(`${name}.`) &&
          Math.abs(Date.parse(one.at) - Date.parse(point.at)) < togetherMs,
      );
      const { id, at, before } = point;
      return { id, name, isDatabase: true, tables: within.flatMap(tablesOf), at, before };
    });
  const isOfDatabase = (name: string, at: string) =>
    databases.some(
      (one) =>
        one.tables.includes(name) && Math.abs(Date.parse(one.at) - Date.parse(at)) < togetherMs,
    );
  const tables = drops.flatMap(({ id, at, before, ...point }): Dropped[] => {
    const [name] = tablesOf(point as Point);
    if (name === undefined || isOfDatabase(name, at)) return [];
    return [{ id, name, isDatabase: false, tables: [name], at, before }];
  });
  const told = new Set(drops.flatMap(tablesOf));
  const older = status.tables.flatMap(({ id, name, state, lastRestorable }): Dropped[] => {
    if (state !== "dropped" || lastRestorable === null || told.has(name)) return [];
    return [
      { id, name, isDatabase: false, tables: [name], at: lastRestorable, before: lastRestorable },
    ];
  });
  return [...databases, ...tables, ...older]
    .filter(({ name }) => !besideName.test(name))
    .sort((a, b) => (a.at < b.at ? 1 : -1));
}

export function DroppedCase() {
  const asked = useAsked<Status>("/v1/status", { topic: "tables" });
  const { data: known } = useKnownPoints();
  return (
    <>
      <Way
        steps={[
          "Look: what was dropped, and when",
          "Restore it under its own name: it is free, and nothing else is touched",
          "Is there a new table of that name? Restore beside it, then promote",
        ]}
      />
      <Card title="Dropped, the newest first">
        <Shown asked={asked}>
          {(status) => {
            const dropped = droppedOf(status, known?.points ?? []);
            const live = new Set(
              status.tables.filter(({ state }) => state !== "dropped").map(({ name }) => name),
            );
            return (
              <>
                {dropped.length === 0 && (
                  <Nothing>
                    No drop is known. A drop is seen within about a second, while something is
                    captured.
                  </Nothing>
                )}
                <ul class="happened-list">
                  {dropped.slice(0, listedMax).map((one) => (
                    <One
                      key={one.id}
                      one={one}
                      isTaken={one.tables.some((name) => live.has(name))}
                    />
                  ))}
                </ul>
                {dropped.length > listedMax && (
                  <p class="note">
                    and {counted(dropped.length - listedMax, "older one")}: see{" "}
                    <Link to="/tables">Tables</Link>
                  </p>
                )}
              </>
            );
          }}
        </Shown>
      </Card>
    </>
  );
}

function One({ one, isTaken }: { one: Dropped; isTaken: boolean }) {
  const { name, isDatabase, tables, at, before } = one;
  const chosen = isDatabase && !isTaken ? { databases: [name] } : { tables };
  const draft = { command: "restore" as const, ...chosen, at: before, beside: isTaken };
  return (
    <Found
      title={isDatabase ? `database ${name}, with ${counted(tables.length, "table")}` : name}
      at={at}
    >
      {may("request") ? (
        <Link class="button main" {...recover(draft)}>
          {isTaken ? "Restore beside the new one…" : "Restore it…"}
        </Link>
      ) : (
        <span class="note">An operator may restore it.</span>
      )}
      {!isDatabase && (
        <Link class="button" to={`/tables/${encodeURIComponent(name)}`}>
          Look at it
        </Link>
      )}
    </Found>
  );
}
