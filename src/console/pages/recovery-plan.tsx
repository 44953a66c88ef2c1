/** Plans, as each command has them. */
import { may } from "../app/session.js";
import { Moment } from "../app/time.js";
import { Badge, bytesText, counted, countText, Figure, Rows, type Tone } from "../parts/bits.js";
import { ConflictList, KeyList } from "./recovery-lists.js";
import type { ChangePlan, Estimate, Plan, PromotePlan, RestorePlan } from "./recovery-read.js";
import { isPartial, priceText, secondsText } from "./recovery-text.js";

export function PlanShown({ plan, args }: { plan: Plan; args: readonly string[] }) {
  switch (plan.is) {
    case "change":
      return <Changes plan={plan.plan} args={args} />;
    case "restore":
      return <Restore plan={plan.plan} isPart={isPartial(args)} />;
    case "promote":
      return <Promote plan={plan.plan} />;
    case "none":
      return null;
    case "other":
      return <Json json={plan.json} />;
  }
}

/** What no reader knows is shown as it came. */
export function Json({ json }: { json: unknown }) {
  return <pre class="recovery-json">{JSON.stringify(json, null, 2)}</pre>;
}

const toneOf = (count: number, tone: Tone): Tone => (count > 0 ? tone : "plain");

/** Where no other instant is allowed, one that is not exact ends the plan. Which were taken else, it does not say. */
function Instants({ args }: { args: readonly string[] }) {
  const others = args.filter((word) => /^--(gap=|allow-inexact$)/.test(word));
  if (args.some((word) => word.startsWith("--operation=")))
    return <>those of the operation's own record</>;
  if (others.length === 0) return <Badge tone="good">exact</Badge>;
  return <span class="unknown">exact, or as {others.join(" ")} allows: the plan does not say</span>;
}

function Changes({ plan, args }: { plan: ChangePlan; args: readonly string[] }) {
  const { changed, deleted, broughtBack, kept, unknown, conflictCount, estimate, tables } = plan;
  return (
    <>
      <p>{plan.description}</p>
      <div class="figures">
        <Figure name="brought back">{countText(broughtBack)}</Figure>
        <Figure name="changed">{countText(changed)}</Figure>
        <Figure name="deleted" tone={toneOf(deleted, "warn")}>
          {countText(deleted)}
        </Figure>
        <Figure name="conflicts" tone={toneOf(conflictCount, "bad")}>
          {countText(conflictCount)}
        </Figure>
      </div>
      <Rows
        caption="What becomes of each table"
        heads={["table", "brought back", "changed", "deleted", "conflicts", "before and after"]}
        rows={tables.map((of) => ({
          key: of.table,
          cells: [
            of.table,
            countText(of.broughtBack),
            countText(of.changed),
            countText(of.deleted),
            countText(of.conflicts),
            bytesText(of.bytes),
          ],
        }))}
      />
      {tables.map(
        (of) =>
          of.deleted > 0 && (
            <KeyList
              key={of.table}
              title={`Deleted from ${of.table}, because they were made since`}
              keys={of.firstDeleted}
              count={of.deleted}
            />
          ),
      )}
      {kept > 0 && <p>{counted(kept, "document")} made since would be kept.</p>}
      {unknown > 0 && (
        <p>
          {counted(unknown, "document")} would be left: it is not known whether the operation wrote
          them.
        </p>
      )}
      <Doubts doubts={plan.doubts} />
      <ConflictList of={plan} />
      <dl class="recovery-facts">
        <dt>Instants</dt>
        <dd>
          <Instants args={args} />
        </dd>
        <dt>Not included</dt>
        <dd>indexes, settings, users and grants: they stay as they are</dd>
        {estimate && <Costs estimate={estimate} />}
      </dl>
    </>
  );
}

function Costs({ estimate }: { estimate: Estimate }) {
  const { seconds, by, writes, requests, storedBytes, cost } = estimate;
  const sent = requests.put + requests.get + requests.head + requests.list;
  return (
    <>
      <dt>Time</dt>
      <dd>
        about {secondsText(seconds)}, as {by === "reads" ? "reads of these documents" : by} took
      </dd>
      <dt>Writes to the server</dt>
      <dd>{countText(writes)}</dd>
      <dt>Requests to the store</dt>
      <dd>
        {countText(sent)}: {countText(requests.put)} PUT, {countText(requests.get)} GET,{" "}
        {countText(requests.head)} HEAD, {countText(requests.list)} LIST
      </dd>
      <dt>Stored, so that it can be taken back</dt>
      <dd>at most {bytesText(storedBytes)}</dd>
      <dt>Price</dt>
      <dd>
        {cost ? (
          `${priceText(cost)}, by ${cost.profile} of ${cost.asOf}`
        ) : (
          <span class="unknown">not known: no prices are configured</span>
        )}
      </dd>
    </>
  );
}

const classTone: Record<string, Tone> = { exact: "good", late: "warn", gap: "bad", damaged: "bad" };

function ClassOf({ of }: { of: { class: string; lateMs: number | null; reason: string | null } }) {
  return (
    <>
      <Badge tone={classTone[of.class] ?? "unknown"}>{of.class}</Badge>
      {of.lateMs !== null && ` by up to ${secondsText(of.lateMs / 1000)}`}
      {of.reason !== null && <span class="note"> {of.reason}</span>}
    </>
  );
}

function Restore({ plan, isPart }: { plan: RestorePlan; isPart: boolean }) {
  const { at, asked, tables, heldBack, notCaptured, notSelected, catalog, accessAsOf } = plan;
  const seconds = plan.estimatedSeconds ?? undefined;
  const most = isPart ? "at most" : "about";
  return (
    <>
      <p>
        As of <Moment at={at} />
      </p>
      {asked !== undefined && (
        <p class="recover-careful">
          The history is thinned at <Moment at={asked} />: the last kept instant before it is taken.
        </p>
      )}
      {heldBack && (
        <p class="recover-careful">
          Held back by the {heldBack.by}: the others are known up to{" "}
          <Moment at={heldBack.tablesTo} />.
        </p>
      )}
      <Rows
        caption="Tables that are restored"
        heads={["table", "restored as", "class", "as of", "documents", "size", "indexes"]}
        rows={tables.map((of) => ({
          key: of.to,
          cells: [
            of.from,
            of.to,
            <ClassOf of={of} />,
            <Moment at={of.instant} short />,
            `${most} ${countText(of.baseDocuments)}`,
            `${most} ${bytesText(of.baseBytes)}`,
            countText(of.indexes.length),
          ],
        }))}
      />
      <dl class="recovery-facts">
        <dt>Catalog</dt>
        <dd>
          <ClassOf of={catalog} />
        </dd>
        <dt>Users and grants</dt>
        <dd>{accessAsOf ? <ClassOf of={accessAsOf} /> : "not restored"}</dd>
        <dt>Log</dt>
        <dd>{counted(plan.segments, "segment")} to read</dd>
        <dt>Time</dt>
        <dd>
          {seconds === undefined ? (
            <span class="unknown">not known for a part, or at a pace that is asked for</span>
          ) : (
            `about ${secondsText(seconds)}`
          )}
        </dd>
        <dt>Requests and price</dt>
        <dd>
          <span class="unknown">not known: the plan of a restore does not say</span>
        </dd>
        <dt>Not included</dt>
        <dd>
          {notCaptured.length + notSelected.length === 0
            ? "nothing of what was asked for is left out"
            : [
                ...notCaptured.map((name) => `${name}: nothing of it was captured`),
                ...notSelected.map((name) => `${name}: nothing of it is chosen`),
              ].join("; ")}
        </dd>
      </dl>
      {tables.flatMap(({ from, missing }) =>
        missing.map((hole) => (
          <p key={`${from} ${hole.object}`} class="wrong">
            Missing of {from}: changes from <Moment at={hole.from} /> to <Moment at={hole.to} />
          </p>
        )),
      )}
    </>
  );
}

function Promote({ plan }: { plan: PromotePlan }) {
  const { live, promoted, kept, grants, differences, beside, documents } = plan;
  return (
    <>
      <Rows
        caption="Names that change"
        heads={["table", "is called then", "documents"]}
        rows={[
          { key: "promoted", cells: [promoted, live, countText(documents.promoted)] },
          ...(kept === null || documents.live === null
            ? []
            : [{ key: "live", cells: [live, kept, countText(documents.live)] }]),
        ]}
      />
      {kept === null && <p>No table is called {live} now.</p>}
      <p>
        Both tables stay. What was written to {live} since is in the one that is kept. For some
        milliseconds no table is called {live}: clients try again.
      </p>
      {differences.length > 0 && (
        <>
          <h3>The live table will differ</h3>
          <ul>
            {differences.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </>
      )}
      {grants.length > 0 && <p>Grants are carried over for {grants.join(", ")}.</p>}
      {beside.length > 0 && <p>Beside it stand {beside.join(", ")}.</p>}
    </>
  );
}

export function Doubts({ doubts }: { doubts: readonly string[] }) {
  if (doubts.length === 0) return null;
  return (
    <div class="recover-careful">
      {doubts.map((text) => (
        <div key={text}>{may("contents") ? text : "hidden from this role"}</div>
      ))}
    </div>
  );
}
