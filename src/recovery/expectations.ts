/**
 * What somebody expects of restored tables, in a file: how many documents each has, and which documents it must have. A
 * drill says of each expectation that it passed, that the table differs, or that it could not be checked.
 *
 * Invariant: nothing passes that was not looked at. A table that was not restored does not pass, nor a comparison with
 * a drill that is not there, nor a query that finds nothing because its field is mistyped.
 */
import * as v from "valibot";
import { parse } from "yaml";
import { counted, formatCount } from "../count-text.js";
import { messageOf, ThinkbackError } from "../errors.js";
import {
  type DrillCheck,
  type DrilledTable,
  listDrills,
  readDrill,
} from "../repository/records/drills.js";
import type { DrillChecks } from "../restore/drill-checks.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type DocumentTest, whereTest } from "./where.js";

const count = v.pipe(
  v.number("a number"),
  v.safeInteger("a whole number"),
  v.minValue(0, "0 or more"),
);
const bounds = {
  exact: v.optional(count),
  min: v.optional(count),
  max: v.optional(count),
};
const share = v.pipe(
  v.string('a share such as "5%"'),
  v.regex(/^\d{1,3}(\.\d+)?\s*%$/, 'a share such as "5%"'),
);
const query = v.strictObject(
  {
    name: v.optional(
      v.pipe(v.string("a text"), v.maxLength(200, "a text of up to 200 characters")),
    ),
    where: v.record(v.string(), v.unknown(), "a query by example"),
    ...bounds,
  },
  "name, where, exact, min and max",
);
const table = v.strictObject(
  { ...bounds, within: v.optional(share), find: v.optional(v.array(query, "a list of queries")) },
  "exact, min, max, within and find",
);
const schema = v.strictObject(
  {
    tables: v.record(
      v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/, "db.table")),
      table,
      "tables by their names",
    ),
  },
  "tables",
);

type Bounds = Pick<v.InferOutput<typeof query>, "exact" | "min" | "max">;

/** One expectation. */
interface Expected {
  table: string;
  /** In words. */
  what: string;
  /** Counts documents; all of the table, if it is absent. */
  test?: DocumentTest;
  bounds: Bounds;
  /** Why it cannot be checked, if that is known before. */
  impossible?: string;
}

/** How many of the newest drills are read to find the last one of a table. */
const drillsReadMax = 100;

export class Expectations implements DrillChecks {
  private readonly readers = new Map<string, TableReader>();

  private constructor(private readonly expected: readonly Expected[]) {
    for (const one of expected) {
      if (!one.test) continue;
      const reader = this.readers.get(one.table) ?? new TableReader();
      reader.tests.push(one.test);
      this.readers.set(one.table, reader);
    }
  }

  /**
   * Reads the text of a file of expectations, YAML or JSON.
   * @param store where the drills before are stored
   * @throws {ThinkbackError} `usage`, naming the file, if the text is none
   */
  static async read(text: string, file: string, store: ObjectStore): Promise<Expectations> {
    const { tables } = parseExpectations(text, file);
    const compared = Object.keys(tables).filter((name) => tables[name]!.within !== undefined);
    return new Expectations(allExpected(tables, file, await lastRows(store, compared)));
  }

  /** Throws, with code "usage", naming the file, if the text is no file of expectations. */
  static check(text: string, file: string): void {
    allExpected(parseExpectations(text, file).tables, file, new Map());
  }

  reader(table: string): ((document: Buffer) => void) | undefined {
    const reader = this.readers.get(table);
    return reader && ((document) => reader.see(document));
  }

  results(tables: readonly DrilledTable[]): DrillCheck[] {
    const byName = new Map(tables.map((one) => [one.name, one]));
    return this.expected.map((one) => this.result(one, byName.get(one.table)));
  }

  private result(expected: Expected, drilled: DrilledTable | undefined): DrillCheck {
    const { table: name, what, test, bounds: of, impossible } = expected;
    const check = { table: name, what };
    const notRun = (reason: string, found?: number): DrillCheck => {
      return { ...check, outcome: "not run", ...(found === undefined ? {} : { found }), reason };
    };
    if (!drilled) return notRun("the drill did not restore this table");
    const reader = this.readers.get(name);
    const found = test ? (reader?.found.get(test) ?? 0) : drilled.rows;
    if (impossible !== undefined) return notRun(impossible, found);
    if (test && reader?.failure !== undefined) return notRun(reader.failure);
    const doubts = test && found === 0 ? test.doubts(name).join("; ") : "";
    if (!isWithin(found, of)) {
      return { ...check, outcome: "differs", found, ...(doubts ? { reason: doubts } : {}) };
    }
    if (doubts) return notRun(doubts, found);
    return { ...check, outcome: "passed", found };
  }
}

/** Shows the documents of a table to the tests of it. */
class TableReader {
  readonly tests: DocumentTest[] = [];
  readonly found = new Map<DocumentTest, number>();
  /** Why a document could not be looked at. */
  failure: string | undefined;

  see(document: Buffer): void {
    if (this.failure !== undefined) return;
    try {
      for (const test of this.tests) {
        if (test(document)) this.found.set(test, (this.found.get(test) ?? 0) + 1);
      }
    } catch (error) {
      this.failure = `a document could not be looked at: ${messageOf(error)}`;
    }
  }
}

function parseExpectations(text: string, file: string): v.InferOutput<typeof schema> {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw refused(file, messageOf(error).split("\n")[0]!);
  }
  const { success, output, issues } = v.safeParse(schema, content, { abortEarly: true });
  if (success) return output;
  const [issue] = issues;
  const path = issue.path?.map(({ key }) => String(key)).join(".");
  if (issue.expected === "never") throw refused(file, `${path} is not known there`);
  throw refused(file, `${path ?? "it"} is not ${issue.message}`);
}

function allExpected(
  tables: v.InferOutput<typeof schema>["tables"],
  file: string,
  last: ReadonlyMap<string, number>,
): Expected[] {
  const all = Object.entries(tables).flatMap(([name, of]) => expectedOf(name, of, last, file));
  if (all.length === 0) throw refused(file, "it expects nothing of any table");
  return all;
}

function refused(file: string, why: string): ThinkbackError {
  return new ThinkbackError("usage", `the expectations in ${file} cannot be used: ${why}`, {
    hint: "docs/evidence.md shows such a file: tables, and for each exact, min, max, within or find",
  });
}

function expectedOf(
  name: string,
  { find = [], within, ...own }: v.InferOutput<typeof table>,
  last: ReadonlyMap<string, number>,
  file: string,
): Expected[] {
  const expected: Expected[] = [];
  if (hasBounds(own)) {
    refuseEmpty(own, name, file);
    expected.push({
      table: name,
      what: `${boundsText(own)} ${(own.max ?? own.min ?? own.exact) === 1 ? "document" : "documents"}`,
      bounds: own,
    });
  }
  if (within !== undefined) expected.push(likeLast(name, within, last.get(name)));
  for (const { name: title, where, ...given } of find) {
    refuseEmpty(given, name, file);
    const asked = hasBounds(given) ? given : { min: 1 };
    const shown = JSON.stringify(where);
    const called = title ?? (shown.length > 200 ? `${shown.slice(0, 199)}…` : shown);
    const test = whereTest(where, `a query of ${name} in ${file}`);
    expected.push({
      table: name,
      what: `${boundsText(asked)} with: ${called}`,
      bounds: asked,
      test,
    });
  }
  return expected;
}

/** About as many documents as the last drill found. */
function likeLast(name: string, within: string, last: number | undefined): Expected {
  const what = `within ${within.replace(/\s/g, "")} of the last drill`;
  if (last === undefined) {
    const impossible = "no drill before this one has found the table equal; the next drill has one";
    return { table: name, what, bounds: {}, impossible };
  }
  const tolerated = (last * Number.parseFloat(within)) / 100;
  const asked = { min: Math.ceil(last - tolerated), max: Math.floor(last + tolerated) };
  return { table: name, what: `${what}, which found ${formatCount(last)}`, bounds: asked };
}

const hasBounds = ({ exact, min, max }: Bounds) => (exact ?? min ?? max) !== undefined;

function refuseEmpty({ exact, min, max }: Bounds, name: string, file: string): void {
  if (exact !== undefined && (min ?? max) !== undefined) {
    throw refused(file, `${name} has exact beside min or max`);
  }
  if (min !== undefined && max !== undefined && min > max) {
    throw refused(file, `${name} has a min that is greater than its max`);
  }
}

function boundsText({ exact, min, max }: Bounds): string {
  if (exact !== undefined) return `exactly ${formatCount(exact)}`;
  if (min === undefined) return `at most ${formatCount(max!)}`;
  return max === undefined
    ? `at least ${formatCount(min)}`
    : `from ${formatCount(min)} to ${formatCount(max)}`;
}

const isWithin = (found: number, { exact, min = 0, max = Infinity }: Bounds) =>
  exact === undefined ? min <= found && found <= max : found === exact;

/** By "db.table": how many documents the newest drill found that proved the table. */
async function lastRows(
  store: ObjectStore,
  names: readonly string[],
): Promise<Map<string, number>> {
  const last = new Map<string, number>();
  if (names.length === 0) return last;
  for (const object of (await listDrills(store)).slice(0, drillsReadMax)) {
    for (const { name, ok, rows } of (await readDrill(store, object)).tables) {
      if (ok && names.includes(name) && !last.has(name)) last.set(name, rows);
    }
    if (names.every((name) => last.has(name))) break;
  }
  return last;
}

/** `3 expectations: 1 passed, 1 differs, 1 could not be checked`. */
export function checksText(checks: readonly DrillCheck[]): string {
  const of = (outcome: DrillCheck["outcome"]) =>
    checks.filter((check) => check.outcome === outcome).length;
  const [passed, differ, notRun] = [of("passed"), of("differs"), of("not run")];
  const parts = [
    `${formatCount(passed)} passed`,
    ...(differ > 0 ? [`${formatCount(differ)} ${differ === 1 ? "differs" : "differ"}`] : []),
    ...(notRun > 0 ? [`${formatCount(notRun)} could not be checked`] : []),
  ];
  return `${counted(checks.length, "expectation")}: ${parts.join(", ")}`;
}

/** `shop.orders: at least 1,000 documents: found 3`, of one that has not passed. */
export function checkText({ table: name, what, outcome, found, reason }: DrillCheck): string {
  const end = outcome === "differs" ? `found ${formatCount(found ?? 0)}` : "could not be checked";
  return `${name}: ${what}: ${end}${reason === undefined ? "" : ` (${reason})`}`;
}
