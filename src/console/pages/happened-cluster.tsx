/** The whole cluster is lost: what a restore of everything brings back, and its commands. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Coverage, Status } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { isoText, Moment } from "../app/time.js";
import { Badge, Card, Command, counted, Shown, Waiting } from "../parts/bits.js";
import { type ClassAt, classAt } from "../parts/class-at.js";
import { ClassLines, classWord, namesText } from "../parts/instant-class.js";
import { InstantField, readInstant } from "../parts/instant-field.js";
import { useKnownPoints } from "../parts/known-points.js";
import { Way } from "./happened-steps.js";

/** What a restore of everything to an instant brings back. */
export interface Whole {
  /** The tables of then. */
  tables: Map<string, ClassAt>;
  /** Tables of which nothing is known then: they were made later, or first copied later. */
  later: string[];
  catalog: ClassAt | undefined;
  access: ClassAt | undefined;
}

export function wholeAt({ tables, catalog, access }: Coverage, at: number): Whole {
  const found: Whole = {
    tables: new Map(),
    later: [],
    catalog: catalog ? classAt(catalog, at) : undefined,
    access: access ? classAt(access, at) : undefined,
  };
  for (const table of tables) {
    const { intervals, state, name } = table;
    const [first, last] = [intervals[0], intervals.at(-1)];
    const isOver = (state === "dropped" || state === "moved") && last && Date.parse(last.to) < at;
    if (isOver) continue;
    if (!first || at < Date.parse(first.from)) {
      if (state !== "dropped" && state !== "moved") found.later.push(name);
    } else found.tables.set(name, classAt(table, at));
  }
  return found;
}

/** The options that a restore of this needs beside `--at`; undefined if no option helps. */
export function optionsFor({ tables, catalog, access }: Whole): string[] | undefined {
  const classes = [...tables.values(), ...(catalog ? [catalog] : [])].map(({ class: of }) => of);
  if (!catalog || classes.some((of) => of === "thinned")) return undefined;
  const isFit = (of: string) => of === "exact" || of === "open";
  const isKnown = access && isFit(access.class);
  const without = isKnown ? [] : ["--without-access"];
  if (classes.every(isFit)) return without;
  const isOnlyGaps = classes.every((of) => isFit(of) || of === "gap");
  return [isOnlyGaps ? "--gap=before" : "--allow-inexact", ...without];
}

export function ClusterCase() {
  const asked = useAsked<Status>("/v1/status");
  return (
    <>
      <Way
        steps={[
          "Start a new, empty RethinkDB",
          "Choose the instant: the newest, or before the disaster",
          "Restore everything, and let the report say that it is equal",
          "Set passwords, and capture the new cluster",
        ]}
      />
      <Shown asked={asked}>{(status) => <Commands newest={status.restorableUntil} />}</Shown>
    </>
  );
}

function Commands({ newest }: { newest: string | null }) {
  const [text, setText] = useState(newest ?? "");
  const { data: known } = useKnownPoints();
  const read = readInstant(text, known?.points ?? []);
  const coverage = useAsked<Coverage>("/v1/coverage", { topic: "tables", everyMs: 20_000 });
  const at = "at" in read ? read.at : undefined;
  const whole = coverage.data && at !== undefined ? wholeAt(coverage.data, at) : undefined;
  const options = whole && optionsFor(whole);
  return (
    <>
      <Card title="As of when">
        <p>
          Everything can be restored until <Moment at={newest} />.
        </p>
        <InstantField label="Instant" text={text} onText={setText} />
        {at !== undefined && (whole ? <Check whole={whole} at={at} /> : <Waiting />)}
      </Card>
      {at !== undefined && whole && (
        <Card title="On a machine that reaches the repository and the new cluster">
          {options ? (
            <Restore at={isoText(at)} options={options} />
          ) : (
            <p class="wrong">
              Not everything can be restored to this instant. Choose the newest restorable one, or
              one that is kept.
            </p>
          )}
        </Card>
      )}
    </>
  );
}

/** Whether everything is exact at the instant, in one line; then what is not. */
function Check({ whole, at }: { whole: Whole; at: number }) {
  const { tables, catalog, access, later } = whole;
  const inexact = new Map([...tables].filter(([, of]) => of.class !== "exact"));
  const systems: [string, ClassAt | undefined][] = [
    ["the catalog (names, indexes, hooks)", catalog],
    ["users and grants", access],
  ];
  const isExact =
    tables.size > 0 && inexact.size === 0 && systems.every(([, of]) => of?.class === "exact");
  return (
    <div class="happened-check" role="status">
      {isExact ? (
        <p>
          <Badge tone="good">exact</Badge> {counted(tables.size, "table")}, the catalog, and users
          and grants are exact at this instant.
        </p>
      ) : (
        <>
          <p>
            <Badge tone="warn">not all exact</Badge> {tables.size - inexact.size} of{" "}
            {counted(tables.size, "table")} are exact at this instant.
          </p>
          {inexact.size > 0 && <ClassLines at={at} classes={inexact} />}
          {systems
            .filter(([, of]) => of?.class !== "exact")
            .map(([name, of]) => (
              <p key={name}>
                <Badge tone="unknown">{of ? classWord(of) : "unknown"}</Badge> {name}
              </p>
            ))}
        </>
      )}
      {later.length > 0 && (
        <p class="note">
          Nothing is known then of {namesText(later)}: made later, or first copied later.
        </p>
      )}
    </div>
  );
}

function Restore({ at, options }: { at: string; options: string[] }) {
  const words = [`--at=${at}`, ...options].join(" ");
  const restore = `thinkback restore --repo=REPO --target=rethinkdb://NEW:28015 ${words}`;
  return (
    <ol class="happened-commands">
      <Step says="See the plan. It changes nothing, and says how long it will take.">
        <Command>{`${restore} --dry-run`}</Command>
      </Step>
      <Step says="Restore. It can be stopped and given again: it goes on where it was.">
        <Command>{`${restore} --report=report.json`}</Command>
      </Step>
      <Step says="The report says for each table that it is equal. Users that were made have random passwords: it names them, set theirs. Then let applications use the new cluster.">
        {null}
      </Step>
      <Step says="Capture the new cluster from then on, into a repository of its own.">
        <Command>thinkback run --source=rethinkdb://NEW:28015 --repo=NEW_REPO</Command>
      </Step>
      <li class="note">
        Is there a warm standby? Then it is quicker to finish following:{" "}
        <code>thinkback follow --repo=REPO --target=rethinkdb://STANDBY:28015 --finish</code>. A
        repository that is sealed wants <code>--identity</code> with a reader's key.
      </li>
    </ol>
  );
}

const Step = ({ says, children }: { says: string; children: ComponentChildren }) => (
  <li>
    {says}
    {children}
  </li>
);
