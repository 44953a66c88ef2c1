/** The report as a page to read and to print: one file, without scripts, that asks nobody for anything. */
import { counted, formatCount } from "../count-text.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import type { Drill } from "../repository/records/drills.js";
import type { StoredRecord } from "./any-object.js";
import type { EvidenceReport, TableEvidence } from "./report.js";

/** At most so many rows of a table are on the page, because nobody reads more; the JSON has all. */
const rowsMax = 500;

/** @param signer who signs it, as the page says it */
export function evidencePage(report: EvidenceReport, signer: string): string {
  const { from, to, made, repository, version, sealed, keep, restorableUntil } = report;
  const facts = table(
    [],
    [
      ["Repository", repository],
      ["Period", `${time(from)} to ${time(to)}`],
      ["Made", `${time(made)}, by Thinkback ${version}`],
      ["Signed by", signer],
      ["Sealed", sealed ? "yes: encrypted and signed" : "no"],
      ["History is kept", keep ?? "for ever"],
      [
        "Everything can be restored until",
        restorableUntil === null ? "never yet" : time(restorableUntil),
      ],
    ],
  );
  return [
    "<!doctype html>",
    '<html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>Backup evidence, ${time(from)} to ${time(to)}</title><style>${style}</style></head><body>`,
    "<h1>Backup evidence</h1>",
    facts,
    section("In short", list(summary(report))),
    section(
      "What can be restored",
      "<p>A table is exact at an instant if each of its documents can be restored as it was then. What was before the " +
        "instant from which it is known counts neither way: the table was not there or not captured yet, or its history has expired.</p>",
      table(["table", "state", "exact", "that is", "known from"], report.tables.map(tableRow)),
    ),
    section(
      "Gaps and damage",
      table(
        ["table", "from", "to", "for", "what", "acknowledged"],
        report.gaps.map((gap) => [
          gap.table,
          time(gap.from),
          time(gap.to),
          formatDuration(gap.to - gap.from),
          `${gap.class}${gap.reason === null ? "" : `: ${gap.reason}`}`,
          gap.acknowledged ? `${gap.acknowledged.note} (${time(gap.acknowledged.at)})` : "NO",
        ]),
      ),
    ),
    section(
      "Drills",
      "<p>A drill restores an instant into a server and compares every document with the repository.</p>",
      table(
        ["ended", "restored", "class", "tables", "documents", "seconds", "outcome", "expectations"],
        report.drills.map(drillRow),
      ),
    ),
    section(
      "Checks of the stored objects",
      table(
        ["ended", "objects", "read to the end", "outcome"],
        report.verifications.map((one) => [
          time(one.ended),
          formatCount(one.stored.objects),
          formatCount(one.read.objects),
          one.sound
            ? "sound"
            : `NOT SOUND: ${formatCount(one.damage.count)} damaged ${one.damage.objects.join(", ")}; ${counted(one.breaks, "break")} of version chains; pins lost: ${one.lostPins.join(", ") || "none"}`,
        ]),
      ),
    ),
    section(
      "Expired on purpose",
      table(
        ["at", "number", "the log up to"],
        report.expiries.map(({ at, number, logTo }) => [
          time(at),
          String(number),
          logTo === null ? "-" : time(logTo),
        ]),
      ),
    ),
    recordsSection("Changes of live tables", report.operations, ["type", "name", "id", "round"]),
    recordsSection("Recoveries", report.recoveries, ["id", "state", "request", "by", "error"]),
    recordsSection("Audit trail", report.audit, ["actor", "what", "over", "outcome"]),
    report.unreadable.length === 0
      ? ""
      : section(
          "What could not be read",
          table(
            ["object", "what"],
            report.unreadable.map(({ object, what }) => [object, what]),
          ),
        ),
    "</body></html>\n",
  ].join("\n");
}

/** The sentences that somebody reads who reads nothing else. */
function summary(report: EvidenceReport): string[] {
  const { tables, gaps, drills, verifications, unreadable } = report;
  const whole = tables.filter(({ exactMs, ofMs }) => exactMs === ofMs && ofMs > 0).length;
  const late = tables.filter(
    ({ spans: [first] }) => (first?.from ?? Infinity) > report.from,
  ).length;
  const open = gaps.filter(({ acknowledged }) => !acknowledged).length;
  const proven = drills.filter(({ ok }) => ok).length;
  const unexpected = drills.filter(({ checks = [] }) =>
    checks.some(({ outcome }) => outcome !== "passed"),
  );
  const sound = verifications.filter((one) => one.sound).length;
  return [
    `${formatCount(whole)} of ${counted(tables.length, "table")} can be restored exactly to every instant of the period, from when on each is known.`,
    ...(late > 0
      ? [`${counted(late, "table is", "tables are")} NOT KNOWN FROM THE BEGINNING of the period.`]
      : []),
    gaps.length === 0
      ? "There is no gap and no damage."
      : `${counted(gaps.length, "gap or damaged interval", "gaps and damaged intervals")}, ${formatCount(open)} of them not acknowledged.`,
    drills.length === 0
      ? "NO DRILL was made."
      : `${formatCount(proven)} of ${counted(drills.length, "drill")} restored what the repository holds.`,
    ...(unexpected.length > 0
      ? [`${counted(unexpected.length, "drill")} did not find all that is expected of the tables.`]
      : []),
    verifications.length === 0
      ? "The stored objects were NOT CHECKED."
      : `${formatCount(sound)} of ${counted(verifications.length, "check")} of the stored objects found them sound.`,
    ...(unreadable.length > 0
      ? [
          `${counted(unreadable.length, "record")} of the period cannot be read; the last section names them.`,
        ]
      : []),
  ];
}

function tableRow({ name, state, exactMs, ofMs, spans }: TableEvidence): string[] {
  const [first] = spans;
  if (!first) return [name, state, "nothing", "-", "-"];
  const share =
    exactMs === ofMs ? "all" : `${(Math.floor((10_000 * exactMs) / ofMs) / 100).toFixed(2)} %`;
  const length = `${formatDuration(exactMs)} of ${formatDuration(ofMs)}`;
  return [name, state, share, length, time(first.from)];
}

function drillRow(drill: Drill): string[] {
  const { ended, instant, tables, documents, seconds, ok, failure, checks = [] } = drill;
  const differ = tables.filter((one) => !one.ok).map(({ name }) => name);
  const not = checks.filter(({ outcome }) => outcome !== "passed");
  return [
    time(ended),
    time(instant),
    drill.class,
    formatCount(tables.length),
    formatCount(documents),
    seconds.toFixed(1),
    ok ? "equal" : `FAILED: ${failure?.message ?? differ.join(", ")}`,
    checks.length === 0
      ? "-"
      : `${checks.length - not.length} of ${checks.length} passed${not.map(({ table: of, what, outcome }) => `; ${outcome.toUpperCase()} ${of}: ${what}`).join("")}`,
  ];
}

/** Records of other parts: the named fields that they have, and all others together. */
function recordsSection(title: string, records: readonly StoredRecord[], fields: string[]): string {
  const rows = records.map(({ at, ...record }) => [
    at === undefined ? "-" : time(at),
    ...fields.map((field) => textOf(record[field])),
  ]);
  return section(title, table(["at", ...fields], rows));
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "string") return value;
  const text = JSON.stringify(value);
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}

const time = (instant: Instant) => formatInstant(instant);

function section(title: string, ...parts: string[]): string {
  return `<section><h2>${escaped(title)}</h2>\n${parts.join("\n")}</section>`;
}

const list = (items: readonly string[]) =>
  `<ul>${items.map((item) => `<li>${escaped(item)}</li>`).join("")}</ul>`;

/** @param head none for a table whose first column says what the second is */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "<p>None.</p>";
  const row = (cells: readonly string[]) =>
    `<tr>${cells.map((cell, i) => (head.length === 0 && i === 0 ? `<th scope="row">${escaped(cell)}</th>` : `<td>${escaped(cell)}</td>`)).join("")}</tr>`;
  const titles = head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join("");
  const more =
    rows.length > rowsMax
      ? `<p>The last ${formatCount(rowsMax)} of ${formatCount(rows.length)}; evidence.json has all.</p>`
      : "";
  return `<table>${head.length > 0 ? `<thead><tr>${titles}</tr></thead>` : ""}<tbody>\n${rows.slice(-rowsMax).map(row).join("\n")}\n</tbody></table>${more}`;
}

const entities: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A text, of which nothing becomes markup: names and notes are other people's. */
const escaped = (text: string) => text.replaceAll(/[&<>"']/g, (one) => entities[one]!);

const style = `
body { font: 14px/1.45 system-ui, sans-serif; color: #111; background: #fff; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem }
table { border-collapse: collapse; width: 100% } th, td { border: 1px solid #bbb; padding: .25rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
th { background: #f2f2f2; font-weight: 600 } th[scope=row] { width: 16rem }
@media print { body { margin: 0; max-width: none; font-size: 10pt } thead { display: table-header-group } tr, h2 { break-inside: avoid } h2 { break-after: avoid } }
`;
