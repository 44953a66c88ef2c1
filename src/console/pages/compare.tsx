/**
 * Live beside then: what differs, before anything is restored. An instant and tables are chosen; each table is
 * compared; then its documents are looked at, and their fields.
 */
import "./compare.css";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Coverage } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { settle, usePlace } from "../app/router.js";
import { signedIn } from "../app/session.js";
import { Shared, useShared } from "../app/store.js";
import { Title, Wrong } from "../parts/bits.js";
import { instantSides, liveSides, totalOf } from "../parts/difference-counts.js";
import { classesAt } from "../parts/instant-class.js";
import { instantWord, type Read, readInstant } from "../parts/instant-field.js";
import { useKnownPoints } from "../parts/known-points.js";
import { Details } from "./compare-details.js";
import { CompareForm, type Form } from "./compare-form.js";
import { Results } from "./compare-results.js";
import { Comparison, type Row } from "./compare-run.js";
import { chosenFirst, namesThen, tablesMax } from "./compare-tables.js";

/** The page begins anew when a link leads to it with another query; not when it has put its own query there. */
export function Compare() {
  const { query } = usePlace();
  const shown = useRef({ query: query.toString(), turn: 0 });
  if (shown.current.query !== query.toString())
    shown.current = { query: query.toString(), turn: shown.current.turn + 1 };
  return (
    <Comparing
      key={shown.current.turn}
      query={query}
      onOwn={(own) => {
        shown.current.query = own;
      }}
    />
  );
}

const none = new Shared<readonly Row[]>([]);
const isNot = new Shared(false);

function Comparing({ query, onOwn }: { query: URLSearchParams; onOwn: (query: string) => void }) {
  const who = useShared(signedIn);
  const seesLive = who.state !== "in" || who.session.server.seesLive;
  const [form, setForm] = useState<Form>(() => formOf(query, seesLive));
  const [comparison, setComparison] = useState<Comparison>();
  const [open, setOpen] = useState<{ table: string; byHand: boolean }>();
  const rows = useShared(comparison?.rows ?? none);
  const isRunning = useShared(comparison?.isRunning ?? isNot);
  const { data: known, error: noPoints } = useKnownPoints();
  const points = known?.points ?? [];
  const { data: coverage, error } = useAsked<Coverage>("/v1/coverage", {
    topic: "tables",
    everyMs: 20_000,
  });
  const read = readInstant(form.at, points);
  const later = readInstant(form.to, points);
  const at = "at" in read ? read.at : undefined;
  const names = coverage ? namesThen(coverage, at) : (form.tables ?? []);
  const chosen = form.tables ?? (coverage ? chosenFirst(coverage, at, points) : []);
  const lacks = lackOf(form, read, later, chosen);

  const compare = () => {
    const word = instantWord(read);
    if (word === undefined || lacks !== undefined) return;
    const to = form.isLive ? undefined : instantWord(later);
    const { isLive, inexact } = form;
    const begun = new Comparison({ at: word, to, isLive, inexact }, chosen);
    comparison?.stop();
    setComparison(begun);
    setOpen(chosen.length === 1 ? { table: chosen[0]!, byHand: false } : undefined);
    void begun.run();
    const own = queryOf(form, word, to);
    onOwn(own);
    settle(`/compare?${own}`);
  };

  // Whoever comes by a link has chosen already. Which tables are first is known only with the points.
  const isReady = coverage !== undefined && (known !== undefined || noPoints !== undefined);
  const begins =
    query.has("at") && comparison === undefined && (form.tables !== undefined || isReady);
  useEffect(() => {
    if (begins) compare();
  }, [begins]);
  useEffect(() => () => comparison?.stop(), [comparison]);
  const differing = rows.filter(({ diff }) => diff && totalOf(diff) > 0);
  const only = differing.length === 1 ? differing[0]!.table : undefined;
  useEffect(() => {
    if (!isRunning && only !== undefined && !open) setOpen({ table: only, byHand: false });
  }, [isRunning, only]);

  const opened = rows.find(({ table }) => table === open?.table);
  const sides = comparison?.comparing.isLive === false ? instantSides : liveSides;
  return (
    <>
      <Title>Live beside then</Title>
      {error && <Wrong error={error} />}
      <CompareForm
        form={form}
        onForm={setForm}
        names={names}
        chosen={chosen}
        classes={coverage && at !== undefined ? classesAt(coverage, at, chosen) : new Map()}
        seesLive={seesLive}
        isRunning={isRunning}
        lacks={lacks}
        onCompare={compare}
      />
      {at !== undefined && form.tables === undefined && names.length > chosen.length && (
        <p class="note">
          {chosen.length} of {names.length} tables are chosen, because nobody has chosen.{" "}
          {chosen.length === tablesMax
            ? "Those come first to which something has happened since."
            : "The others stand beside live ones, or were not known yet at the instant."}
        </p>
      )}
      {comparison && (
        <Results
          comparison={comparison}
          rows={rows}
          isRunning={isRunning}
          sides={sides}
          open={opened?.table}
          onOpen={(table) => setOpen(table === undefined ? undefined : { table, byHand: true })}
        />
      )}
      {comparison && opened && (opened.diff || opened.error) && (
        <Details
          key={opened.table}
          comparison={comparison}
          row={opened}
          isRunning={isRunning}
          sides={sides}
          points={points}
          coverage={coverage}
          takesFocus={open?.byHand === true}
        />
      )}
    </>
  );
}

/** What keeps the comparison from being asked for, in words; undefined if nothing does. */
function lackOf(
  { at, isLive }: Form,
  read: Read,
  later: Read,
  chosen: readonly string[],
): string | undefined {
  if (at.trim() === "") return "Say as of when.";
  if ("wrong" in read) return "This instant cannot be read.";
  if (!isLive && "wrong" in later) return "The later instant cannot be read.";
  return chosen.length === 0 ? "Choose a table." : undefined;
}

function formOf(query: URLSearchParams, seesLive: boolean): Form {
  const tables = query.getAll("table");
  const inexact = query.get("inexact");
  return {
    at: query.get("at") ?? "",
    to: query.get("to") ?? "",
    isLive: seesLive && !query.has("to") && query.get("beside") !== "instant",
    inexact: inexact === "before" || inexact === "after" || inexact === "any" ? inexact : "",
    tables: tables.length > 0 ? tables : undefined,
  };
}

function queryOf(
  { isLive, inexact, tables = [] }: Form,
  at: string,
  to: string | undefined,
): string {
  const query = new URLSearchParams({ at });
  for (const table of tables) query.append("table", table);
  if (to !== undefined) query.set("to", to);
  else if (!isLive) query.set("beside", "instant");
  if (inexact !== "") query.set("inexact", inexact);
  return query.toString();
}
