/** How far the first copy is, and what is copied or resynced later. */
import type { Overview, Scans } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { Bar, bytesText, Card, counted, countText, Nothing, Shown } from "../parts/bits.js";
import { isCaptured } from "../parts/table-state.js";

const shownMax = 20;
const everyMs = 3000;

export function ScansCard({ overview }: { overview: Overview }) {
  const isFirst = overview.restorableUntil === null;
  const isUnderWay = overview.tables.some(({ state }) => /opening|copying|resyncing/.test(state));
  const isShown = isFirst || isUnderWay;
  const asked = useAsked<Scans>(isShown ? "/v1/scans" : undefined, { topic: "tables", everyMs });
  if (!isShown) return null;
  const captured = overview.tables.filter(isCaptured);
  const done = captured.filter(({ lastRestorable }) => lastRestorable !== null).length;
  return (
    <Card title={isFirst ? "Not restorable yet" : "Being copied or resynced"} kind="overview-scans">
      {isFirst && (
        <p>
          {captured.length === 0
            ? "No table is captured yet."
            : `The first copy is under way: ${countText(done)} of ${counted(captured.length, "table")} can be restored. Everything can be, once all are copied.`}
        </p>
      )}
      <Shown asked={asked}>{({ tables }) => <ScanRows tables={tables} />}</Shown>
    </Card>
  );
}

function ScanRows({ tables }: Scans) {
  if (tables.length === 0) return <Nothing>No table is being copied at the moment.</Nothing>;
  // Those that are under way first.
  const inOrder = tables.toSorted(
    (a, b) => Number(b.scanned !== null) - Number(a.scanned !== null),
  );
  const more = inOrder.length - shownMax;
  return (
    <>
      <ul class="overview-scan-rows">
        {inOrder.slice(0, shownMax).map((scan) => (
          <ScanRow key={scan.id} scan={scan} />
        ))}
      </ul>
      {more > 0 && <p class="note">and {counted(more, "more table", "more tables")}</p>}
    </>
  );
}

function ScanRow({ scan: { name, state, scanned, isHere } }: { scan: Scans["tables"][number] }) {
  if (!scanned) {
    const waits = state === "resyncing" ? "waits to be resynced" : "waits to be copied";
    return (
      <li>
        <strong>{name}</strong>
        <span class="note">{isHere ? waits : `${state}, by another process`}</span>
      </li>
    );
  }
  const { documents, ofAbout, bytes } = scanned;
  // The server's estimate may be too low: more than all of it is no share.
  const share = ofAbout > 0 && documents <= ofAbout ? documents / ofAbout : null;
  const of = ofAbout > 0 ? ` of about ${countText(ofAbout)}` : "";
  const size = bytes > 0 ? `, ${bytesText(bytes)}` : "";
  return (
    <li>
      <strong>{name}</strong>
      <span class="note">
        {countText(documents)}
        {of} documents{size}
      </span>
      <Bar share={share} name={`${name}: ${state}`} />
    </li>
  );
}
