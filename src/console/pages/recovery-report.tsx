/** Reports, as each command makes them, with the way back and the way on. */
import type { Recovery } from "../app/answers.js";
import { Link, pathOf } from "../app/router.js";
import { Moment } from "../app/time.js";
import { Badge, bytesText, counted, countText, Figure, Rows } from "../parts/bits.js";
import { type Draft, recover } from "../parts/recover-draft.js";
import { formOfRequest } from "./recover-again.js";
import { keyText, type Request } from "./recover-words.js";
import { ConflictList, FirstRows, KeyList } from "./recovery-lists.js";
import { Doubts, Json } from "./recovery-plan.js";
import type {
  ChangePlan,
  ChangeResult,
  DrillResult,
  PromoteResult,
  RestoreResult,
  Result,
  StoppedChange,
} from "./recovery-read.js";
import { secondsText } from "./recovery-text.js";

export function ResultShown({ result, recovery }: { result: Result; recovery: Recovery }) {
  switch (result.is) {
    case "change":
      return <Changed result={result.result} />;
    case "stopped":
      return <Stopped result={result.result} />;
    case "refused":
      return <Refused plan={result.plan} recovery={recovery} />;
    case "restore":
      return <Restored result={result.result} recovery={recovery} />;
    case "promote":
      return <Promoted result={result.result} />;
    case "drill":
      return <Drilled result={result.result} />;
    case "other":
      return <Json json={result.json} />;
  }
}

/** Leads to a form that is filled in already. */
function Way({ draft, children }: { draft: Draft; children: string }) {
  return (
    <Link {...recover(draft)} class="button">
      {children}
    </Link>
  );
}

const isUndo = (type: string) => type !== "rewind";

function WayBack({ operation, type }: { operation: string; type: string }) {
  return (
    <Way draft={{ command: "undo", operation }}>
      {isUndo(type) ? "Undo this undo" : "Undo this rewind"}
    </Way>
  );
}

function Changed({ result }: { result: ChangeResult }) {
  const { written, already, kept, unknown, left, leftCount, tables, operation, type, until } =
    result;
  return (
    <>
      <p>
        {result.description}: {written === 0 ? "nothing was to be changed" : "done"} in{" "}
        {result.seconds.toFixed(1)} s. Its operation is <code>{operation}</code>.
      </p>
      <div class="figures">
        <Figure name="brought back">{countText(result.broughtBack)}</Figure>
        <Figure name="changed">{countText(result.changed)}</Figure>
        <Figure name="deleted">{countText(result.deleted)}</Figure>
        <Figure name="left as they are" tone={leftCount > 0 ? "bad" : "plain"}>
          {countText(leftCount)}
        </Figure>
      </div>
      <Rows
        caption="What became of each table"
        heads={["table", "written", "brought back", "changed", "deleted", "so already", "left"]}
        rows={tables.map((of) => ({
          key: of.table,
          cells: [
            of.table,
            ...[of.written, of.broughtBack, of.changed, of.deleted, of.already, of.left].map(
              countText,
            ),
          ],
        }))}
      />
      {result.deleted > 0 && (
        <KeyList
          title="Deleted, because they were made since"
          keys={result.firstDeleted}
          count={result.deleted}
        />
      )}
      {already > 0 && <p>{counted(already, "document")} were so already.</p>}
      {kept > 0 && <p>{counted(kept, "document")} made since were kept.</p>}
      {unknown > 0 && (
        <p>
          {counted(unknown, "document")} left: it is not known whether the operation wrote them.
        </p>
      )}
      <Doubts doubts={result.doubts} />
      <ConflictList of={result} />
      {leftCount > 0 && <Left left={left} count={leftCount} />}
      {until !== null && (
        <p class="recovery-ways">
          <WayBack operation={operation} type={type} />
          <span class="note">
            It can be taken back until <Moment at={until} />
          </span>
        </p>
      )}
    </>
  );
}

const whyLeft: Record<string, string> = {
  moved: "somebody else has changed it meanwhile",
  conflict: "a field of it was set to something else since",
};

function Left({ left, count }: { left: ChangeResult["left"]; count: number }) {
  return (
    <>
      <h3>Left as they are ({countText(count)})</h3>
      <FirstRows
        caption="Documents that were left"
        heads={["table", "key", "why"]}
        count={count}
        rows={left.map(({ table, key, why, refused }) => ({
          key: `${table} ${keyText(key)}`,
          cells: [table, <code>{keyText(key)}</code>, refused ?? whyLeft[why] ?? why],
        }))}
      />
    </>
  );
}

function Stopped({ result: { done, documents, operation, type } }: { result: StoppedChange }) {
  return (
    <>
      <p>
        Stopped: {countText(done)} of {counted(documents, "document")} are done. The rest is as it
        was. Its operation is <code>{operation}</code>.
      </p>
      <p class="recovery-ways">
        <WayBack operation={operation} type={type} />
      </p>
    </>
  );
}

/** What a person can choose when conflicts have ended an undo. */
function Refused({ plan, recovery }: { plan: ChangePlan; recovery: Recovery }) {
  const { command, args } = recovery;
  const form = args && formOfRequest({ command, args } as Request);
  return (
    <>
      <p>
        Nothing was written, because {counted(plan.conflictCount, "document")} had fields set to
        something else since.
      </p>
      {form && (
        <p class="recovery-ways">
          <Link to="/recover" state={{ form: { ...form, conflict: "skip" } }} class="button">
            Leave them: write {counted(plan.documents, "document")}
          </Link>
          <Link to="/recover" state={{ form: { ...form, conflict: "force" } }} class="button">
            Overwrite these fields: write {counted(plan.documents + plan.conflictCount, "document")}
          </Link>
        </p>
      )}
      <ConflictList of={plan} />
    </>
  );
}

function Restored({ result, recovery }: { result: RestoreResult; recovery: Recovery }) {
  const { restored, earlier, seconds, halfFilled, notBegun, access } = result;
  const isBeside = recovery.args?.includes("--beside");
  return (
    <>
      <p>
        As of <Moment at={result.at} />
        {seconds !== null && `, in ${secondsText(seconds)}`}
      </p>
      <Rows
        caption="Tables that were restored"
        heads={["table", "restored as", "documents", "size", "compared with the server", "on"]}
        rows={restored.map((of) => ({
          key: of.to,
          cells: [
            of.from,
            of.to,
            countText(of.documents),
            bytesText(of.bytes),
            <Badge tone={of.matches ? "good" : "bad"}>{of.matches ? "equal" : "different"}</Badge>,
            isBeside ? (
              <span class="recovery-ways">
                <Link to={pathOf("/compare", { table: of.from, at: result.at })}>
                  compare with live
                </Link>
                <Link {...recover({ command: "promote", tables: [of.to] })}>promote</Link>
              </span>
            ) : (
              <Link to={`/tables/${of.to}`}>look at it</Link>
            ),
          ],
        }))}
      />
      {restored.map(
        ({ to, leftOut }) =>
          leftOut.length > 0 && (
            <KeyList
              key={to}
              title={`Left out of ${to}, because the target refused them`}
              keys={leftOut.slice(0, 20).map(({ key }) => key)}
              count={leftOut.length}
            />
          ),
      )}
      <Doubts doubts={restored.flatMap(({ doubts }) => doubts)} />
      {earlier.length > 0 && <p>Complete by an earlier run: {earlier.join(", ")}</p>}
      {halfFilled.length > 0 && (
        <p class="wrong">
          Half-filled, and refusing writes until they are whole: {halfFilled.join(", ")}
        </p>
      )}
      {notBegun.length > 0 && <p class="wrong">Not begun: {notBegun.join(", ")}</p>}
      {access && access.usersWithoutPassword.length > 0 && (
        <p>Made without a usable password: {access.usersWithoutPassword.join(", ")}</p>
      )}
    </>
  );
}

function Promoted({ result }: { result: PromoteResult }) {
  const { live, promoted, kept, goneMs } = result;
  return (
    <>
      <p>
        {live} is what was {promoted}.{" "}
        {kept === null ? `No table was ${live} before.` : `What was ${live} until then is ${kept}.`}
        {goneMs !== null && ` No table had the name for ${Math.round(goneMs)} ms.`}
      </p>
      <p>Changefeeds that were open follow the table that was live then: open them again.</p>
      {kept !== null && (
        <p class="recovery-ways">
          <Way draft={{ command: "promote", back: true, tables: [live] }}>Give the name back</Way>
        </p>
      )}
    </>
  );
}

function Drilled({ result }: { result: DrillResult }) {
  const { ok, instant, documents, bytes, seconds, server, tables, checks = [], failure } = result;
  return (
    <>
      <p>
        <Badge tone={ok ? "good" : "bad"}>{ok ? "proven restorable" : "not proven"}</Badge>{" "}
        <Moment at={instant} /> ({result.class})
      </p>
      <p>
        {counted(documents, "document")}, {bytesText(bytes)} restored in {secondsText(seconds)} on{" "}
        {server ?? "a server of unknown version"}.
      </p>
      {failure && <p class="wrong">{failure.message}</p>}
      <Rows
        caption="Tables that were restored and compared"
        heads={["table", "documents", "size", "compared with the repository"]}
        rows={tables.map((of) => ({
          key: of.name,
          cells: [
            of.name,
            countText(of.rows),
            bytesText(of.bytes),
            <Badge tone={of.ok ? "good" : "bad"}>{of.ok ? "equal" : "different"}</Badge>,
          ],
        }))}
      />
      {checks.map(({ table, what, outcome, reason }) => (
        <p key={`${table} ${what}`}>
          <Badge tone={outcome === "passed" ? "good" : "bad"}>{outcome}</Badge> {table}: {what}{" "}
          {reason && <span class="note">{reason}</span>}
        </p>
      ))}
    </>
  );
}
