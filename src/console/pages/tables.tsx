/** All tables: found by typing, in the order of any column. */
import "./tables.css";
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type { Overview, TableSummary } from "../app/answers.js";
import { useAsked } from "../app/ask.js";
import { looks } from "../app/live.js";
import { Link, usePlace } from "../app/router.js";
import { useShared } from "../app/store.js";
import { Moment } from "../app/time.js";
import {
  bytesText,
  counted,
  countText,
  documentsText,
  Nothing,
  Shown,
  Title,
} from "../parts/bits.js";
import { isCaptured, stateWords, TableState } from "../parts/table-state.js";

/** So many are drawn at once: hundreds of ages that grow each second would make a page slow. */
const onePage = 50;

interface Column {
  name: string;
  isNumber?: true;
  /** What is compared; what is not known comes last. */
  value: (table: TableSummary, overview: Overview) => string | number | null;
  cell: (table: TableSummary, overview: Overview) => ComponentChildren;
}

const columns: readonly Column[] = [
  {
    name: "table",
    value: ({ name }) => name,
    cell: ({ name }) => <Link to={`/tables/${encodeURIComponent(name)}`}>{name}</Link>,
  },
  {
    name: "state",
    value: (table, { lanes }) => stateWords(table, lanes),
    cell: (table, { lanes }) => <TableState table={table} lanes={lanes} />,
  },
  {
    name: "documents",
    isNumber: true,
    value: ({ documents }) => documents,
    cell: documentsText,
  },
  {
    name: "restorable until",
    value: (table) => table.lastRestorable,
    cell: (table) => <Until table={table} />,
  },
  {
    name: "last proven",
    value: ({ lastProven }) => lastProven?.done ?? null,
    cell: ({ lastProven, failedDrill }) => (
      <>
        {lastProven ? <Moment at={lastProven.done} short /> : <span class="unknown">never</span>}
        {failedDrill && <div class="wrong">the last drill failed</div>}
      </>
    ),
  },
  {
    name: "changes",
    isNumber: true,
    value: ({ changes }) => changes,
    cell: ({ changes }) => countText(changes),
  },
  {
    name: "log",
    isNumber: true,
    value: ({ logBytes }) => logBytes,
    cell: ({ logBytes }) => bytesText(logBytes),
  },
];

/** A live table is proven at least as far as everything is, which the server says all the time. */
function Until({ table }: { table: TableSummary }) {
  const look = useShared(looks);
  const { state, lastRestorable } = table;
  if (lastRestorable === null) return <span class="unknown">not restorable yet</span>;
  const all = look?.status?.restorableUntil ?? lastRestorable;
  const isOlder = Date.parse(lastRestorable) < Date.parse(all);
  return <Moment at={state === "live" && isOlder ? all : lastRestorable} short />;
}

export function Tables() {
  const asked = useAsked<Overview>("/v1/overview", { topic: "tables", everyMs: 5000 });
  return (
    <>
      <Title>Tables</Title>
      <Shown asked={asked}>{(overview) => <Found overview={overview} />}</Shown>
    </>
  );
}

interface Order {
  by: number;
  isFalling: boolean;
}

function Found({ overview }: { overview: Overview }) {
  const { query } = usePlace();
  const [text, setText] = useState("");
  const [state, setState] = useState(query.get("state") ?? "");
  const [order, setOrder] = useState<Order>({ by: 0, isFalling: false });
  const [page, setPage] = useState(0);
  const states = useMemo(() => statesOf(overview), [overview]);
  const found = useMemo(
    () => sorted(matching(overview, text, state), order, overview),
    [overview, text, state, order],
  );
  const pages = Math.max(1, Math.ceil(found.length / onePage));
  const first = Math.min(page, pages - 1) * onePage;
  const shown = found.slice(first, first + onePage);
  const restart = (change: () => void) => {
    change();
    setPage(0);
  };
  return (
    <>
      <div class="tables-bar">
        <input
          aria-label="Find a table"
          placeholder="find a table"
          value={text}
          spellcheck={false}
          onInput={({ currentTarget }) => restart(() => setText(currentTarget.value))}
        />
        <select
          aria-label="State"
          value={state}
          onChange={({ currentTarget }) => restart(() => setState(currentTarget.value))}
        >
          <option value="">every state</option>
          {[...new Set([...states, ...(state ? [state] : [])])].map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
        <span class="note" role="status">
          {counted(found.length, "table")}
        </span>
      </div>
      {shown.length === 0 ? (
        <Nothing>
          {overview.tables.length === 0 ? "No table is known yet." : "No table is like that."}
        </Nothing>
      ) : (
        <div class="card rows tables-rows">
          <table>
            <caption class="hidden">Tables</caption>
            <Heads order={order} onOrder={(next) => restart(() => setOrder(next))} />
            <tbody>
              {shown.map((table) => (
                <tr key={table.id} class={isCaptured(table) ? "" : "tables-gone"}>
                  {columns.map(({ name, isNumber, cell }) => (
                    <td key={name} data-head={name} class={isNumber ? "tables-number" : ""}>
                      {cell(table, overview)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {pages > 1 && (
        <nav class="tables-pages" aria-label="Pages of tables">
          <button type="button" disabled={first === 0} onClick={() => setPage(first / onePage - 1)}>
            Before
          </button>
          <span>
            {first + 1} to {first + shown.length} of {found.length}
          </span>
          <button
            type="button"
            disabled={first + onePage >= found.length}
            onClick={() => setPage(first / onePage + 1)}
          >
            Next
          </button>
        </nav>
      )}
    </>
  );
}

function Heads({ order, onOrder }: { order: Order; onOrder: (order: Order) => void }) {
  return (
    <thead>
      <tr>
        {columns.map(({ name, isNumber }, by) => {
          const isBy = order.by === by;
          // What is large is looked for first.
          const isFalling = isBy ? !order.isFalling : isNumber === true;
          const sort = isBy ? (order.isFalling ? "descending" : "ascending") : "none";
          return (
            <th key={name} scope="col" aria-sort={sort} class={isNumber ? "tables-number" : ""}>
              <button type="button" onClick={() => onOrder({ by, isFalling })}>
                {name}
                <span aria-hidden="true">{isBy ? (order.isFalling ? " ↓" : " ↑") : ""}</span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

const statesOf = ({ tables, lanes }: Overview) =>
  [...new Set(tables.map((table) => stateWords(table, lanes)))].sort();

function matching({ tables, lanes }: Overview, text: string, state: string): TableSummary[] {
  const wanted = text.trim().toLowerCase();
  return tables.filter(
    (table) =>
      table.name.toLowerCase().includes(wanted) &&
      (state === "" || stateWords(table, lanes) === state),
  );
}

function sorted(tables: TableSummary[], { by, isFalling }: Order, overview: Overview) {
  const { value } = columns[by]!;
  const keyed = tables.map((table) => ({ table, key: value(table, overview) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null);
    const order = a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
    return (isFalling ? -order : order) || (a.table.name < b.table.name ? -1 : 1);
  });
  return keyed.map(({ table }) => table);
}
