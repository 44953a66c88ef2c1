/** docs/format.md has every field of every kind of object, and no others. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { coverageRecord } from "../../src/format/coverage-record.js";
import { frameEntry } from "../../src/format/data-kinds.js";
import { recordSchemas } from "../../src/repository/log/catalog.js";
import { pinsKind } from "../../src/repository/registers/pins.js";
import type { ObjectKind } from "../../src/verify/object-kinds.js";
import { fieldsOf, formsOf, pathsOf, schemaOf } from "./schema-fields.js";

const page = readFileSync(join(resolve(import.meta.dirname, "../.."), "docs/format.md"), "utf8");

/** The rows of each table under a heading, as the texts of their cells. */
function tablesUnder(heading: string): string[][][] {
  const begin = page.indexOf(`\n${heading}\n`);
  if (begin < 0) throw new Error(`docs/format.md has no heading ${heading}`);
  const rest = page.slice(begin + heading.length + 2);
  const section = rest.slice(0, rest.search(/^#{2,4} /m));
  return [...section.matchAll(/(?:^\|.*\n)+/gm)].map(([text]) =>
    text
      .trim()
      .split("\n")
      .filter((_, i) => i !== 1)
      .map((line) =>
        line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      ),
  );
}

const namesIn = (cell: string) => [...cell.matchAll(/`([A-Za-z]+)`/g)].map(([, name]) => name!);

/** The rows of a table of fields: which fields each is of, and the whole text. */
function rowsOf(table: string[][]): { fields: string[]; text: string }[] {
  expect(table[0]![0]).toBe("field");
  return table.slice(1).map((cells) => ({ fields: namesIn(cells[0]!), text: cells.join(" ") }));
}

/** Holds a table of fields to a schema: the fields themselves, and in the text of each those within it. */
function expectSame(table: string[][], schema: unknown, elsewhere?: RegExp): void {
  const rows = rowsOf(table);
  expect(rows.flatMap(({ fields }) => fields).sort()).toEqual(fieldsOf(schema));
  for (const path of pathsOf(schema)) {
    const steps = path.split(".").filter((step) => step !== "*");
    const within = steps.slice(1).at(-1);
    if (within === undefined) continue;
    const { text } = rows.find(({ fields }) => fields.includes(steps[0]!))!;
    if (elsewhere?.test(path)) continue;
    expect(text, path).toMatch(new RegExp(`["\`]${within}["\`]`));
  }
}

interface Node {
  item?: Node;
}

/** The elements of a field of a schema that is a list. */
const itemOf = (schema: unknown, field: string) =>
  (formsOf(schema)[0]![field] as unknown as Node).item;

/** Under which heading the fields of a kind are, in the how manyeth table; or that they stand in section 3.2. */
const places: Record<ObjectKind, [heading: string, table?: number] | "3.2" | "no footer"> = {
  segment: ["### 5.1 Segments"],
  claim: ["### 5.3 Epochs, claims and which segments count"],
  "folded manifest": ["### 5.4 Folded segments"],
  "folded part": "no footer",
  "folded records": "no footer",
  "base manifest": ["## 6. Bases"],
  "base part": "no footer",
  "base keys": "no footer",
  evidence: ["### 9.3 Evidence"],
  drill: ["### 9.4 Drills"],
  operation: ["### 9.5 Operations"],
  "operation part": "no footer",
  "operation end": ["### 9.5 Operations", 1],
  mark: ["### 9.6 Marks"],
  verification: ["### 9.7 Verifications"],
  audit: ["### 9.8 The audit"],
  token: ["### 13.11 Tokens"],
  settings: ["### 13.1 Settings"],
  pins: ["### 13.2 Pins"],
  alarms: ["### 13.12 Alarms"],
  lease: ["### 13.3 The lease"],
  hold: ["### 13.4 Holds"],
  wish: ["### 13.5 Hand-overs"],
  answer: ["### 13.5 Hand-overs", 1],
  member: ["### 13.9 Members"],
  expiry: ["### 13.6 Expiries"],
  recovery: ["### 13.10 Recoveries"],
  "recovery plan": "no footer",
  rates: ["### 13.7 Rates"],
  bundle: ["### 13.8 Bundles"],
  repository: "3.2",
  acknowledgement: "3.2",
};

/** Fields that the page tells of in a table of their own, or has told of before. */
const elsewhere: Partial<Record<ObjectKind, RegExp>> = {
  "folded manifest": /^(previous|epochs\.\*\.(serverClock|aheadOfSource|totals))\./,
  "base manifest": /^parts\./,
  pins: /^pins\./,
  drill: /^tables\./,
  operation: /^parts\./,
};

describe("the page on the format", () => {
  test.each(Object.entries(places) as [ObjectKind, (typeof places)[ObjectKind]][])(
    "has the fields of a %s",
    (kind, place) => {
      const schema = schemaOf(kind);
      if (place === "no footer") {
        expect(fieldsOf(schema)).toEqual([]);
      } else if (place === "3.2") {
        const rows = tablesUnder("### 3.2 JSON objects")[0]!;
        const row = rows.find((cells) => cells[1] === `\`${kind}\``)!;
        expect(namesIn(row[2]!).sort()).toEqual(fieldsOf(schema));
      } else {
        const tables = tablesUnder(place[0]);
        const forms = formsOf(schema);
        // Of evidence there are two forms, and the missed change comes first on the page.
        for (const [i, entries] of forms.reverse().entries()) {
          expectSame(tables[i + (place[1] ?? 0)]!, { type: "object", entries }, elsewhere[kind]);
        }
      }
    },
  );

  test("has the fields of what these have lists of", () => {
    const [, part] = tablesUnder("## 6. Bases");
    expectSame(part!, itemOf(schemaOf("base manifest"), "parts"));
    const [, pin] = tablesUnder("### 13.2 Pins");
    expectSame(pin!, itemOf(pinsKind.schema, "pins"));
    const [, drilled] = tablesUnder("### 9.4 Drills");
    expectSame(drilled!, itemOf(schemaOf("drill"), "tables"));
  });

  test("has what an index says of a frame", () => {
    const index = tablesUnder("### 3.1 Data objects").find(([head]) => head![0] === "field")!;
    const fields = rowsOf(index).flatMap((row) => row.fields);
    expect(fields.sort()).toEqual([...fieldsOf(frameEntry), "footer"].sort());
  });

  test("has every kind of record, and its fields", () => {
    const inJson = (cell: string) => [...cell.matchAll(/"(\w+)"/g)].map(([, name]) => name!);
    const [coverage] = tablesUnder("### 9.2 `coverage`");
    const forms = formsOf(coverageRecord).map((entries) => Object.keys(entries).sort());
    const said = coverage!.slice(1).map(([cell]) => {
      return [...cell!.matchAll(/"(\w+)":/g)].map(([, name]) => name!).sort();
    });
    expect(said).toEqual(forms);
    const [catalog] = tablesUnder("### 9.1 `catalog`");
    const rows = new Map(catalog!.slice(1).map(([key, value]) => [inJson(key!)[0], value!]));
    expect(new Set(rows.keys())).toEqual(new Set(recordSchemas.keys()));
    for (const [kind, schema] of recordSchemas) {
      for (const field of fieldsOf(schema))
        expect(inJson(rows.get(kind as string)!)).toContain(field);
    }
  });
});
