/** Documents in the console stay the text that is stored, and what a history lacks stands at its place. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DocumentHistory,
  linesOf,
  readHistory,
} from "../../src/console/pages/document-history.js";
import {
  fieldsOf,
  isDifferent,
  keyKind,
  keyOf,
  pathText,
  StoredJson,
  StoredJsonError,
} from "../../src/console/parts/stored-json.js";
import {
  changesBetween,
  pathText as pathOfServer,
  textOf,
  treeOf,
} from "../../src/recovery/field-tree.js";

test.each([
  '{"id":12345678901234567890,"a":1.0,"b":-0.0,"c":1e400}',
  '[1.0,[],{},"",null,true,false,-0.0]',
  '"\\\\\\"}]{["',
  "0.10000000000000000555",
])("each part of %s is the text that it was", (text) => {
  const value = StoredJson.of(text);
  expect(value.text).toBe(text);
  const again = (of: StoredJson): string => {
    if (of.kind === "object") {
      return `{${[...of.fields].map(([name, one]) => `${name}:${again(one)}`).join(",")}}`;
    }
    return of.kind === "array" ? `[${of.items.map(again).join(",")}]` : of.text;
  };
  expect(again(value)).toBe(text);
});

test("any JSON is cut as JSON.parse does, also with blanks", () => {
  const plain = (of: StoredJson): unknown => {
    if (of.kind === "array") return of.items.map(plain);
    if (of.kind !== "object") return of.parsed();
    const entries = [...of.fields].map(([name, one]) => [JSON.parse(name), plain(one)]);
    return Object.fromEntries(entries);
  };
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, blanks) => {
      const text = JSON.stringify(value, null, blanks);
      expect(plain(StoredJson.of(text))).toEqual(JSON.parse(text));
    }),
    { seed: 20_261_128 },
  );
});

test.each(["", "{", '{"a"}', '{"a":1', "[1 2]", '"a', "nul", "1 2", "]", '{"a":1}}'])(
  "%j is refused, at the latest when it is looked into",
  (text) => {
    expect(() => {
      const value = StoredJson.of(text);
      for (const [, one] of value.fields) one.text.toString();
      for (const one of value.items) one.text.toString();
    }).toThrow(StoredJsonError);
  },
);

test("a document that is nested very deeply takes no stack", () => {
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  expect(StoredJson.of(deep).text).toHaveLength(400_000);
  const fields = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;
  const [change] = fieldsOf(StoredJson.of(fields), StoredJson.of(fields.replace("1", "2")));
  expect(change!.path.length).toBeLessThan(100);
  expect(isDifferent(change!)).toBe(true);
});

/** JSON text with the fields in the order in which the server has them. */
const inOrder = (value: unknown): string =>
  JSON.stringify(value, (_, of: unknown) => {
    if (typeof of !== "object" || of === null || Array.isArray(of)) return of;
    return Object.fromEntries(Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1)));
  });

test("the fields that differ are those that the command line names", () => {
  const names = fc.constantFrom("a", "b", "e.mail", "ü", "$reql_type$");
  const leaf = fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.array(fc.integer()));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(names, fc.oneof({ depthSize: "small" }, leaf, tie("tree"))),
  }));
  fc.assert(
    fc.property(tree, tree, (before, after) => {
      const [was, is] = [before, after].map(inOrder) as [string, string];
      const there = changesBetween(treeOf(Buffer.from(was)), treeOf(Buffer.from(is)));
      const here = fieldsOf(StoredJson.of(was), StoredJson.of(is)).filter(isDifferent);
      const ofServer = there.map((one) => [
        pathOfServer(one.path),
        one.before && JSON.parse(textOf(one.before).toString()),
        one.after && JSON.parse(textOf(one.after).toString()),
      ]);
      const ofConsole = here.map((one) => [
        pathText(one.path),
        one.before?.parsed(),
        one.after?.parsed(),
      ]);
      const sorted = (all: unknown[][]) => all.map((one) => JSON.stringify(one)).sort();
      expect(sorted(ofConsole)).toEqual(sorted(ofServer));
    }),
    { seed: 20_261_128 },
  );
});

test("null is there, and a field that is missing is not", () => {
  const [change] = fieldsOf(StoredJson.of('{"a":null}'), StoredJson.of("{}"));
  expect([change!.before?.kind, change!.after]).toEqual(["null", undefined]);
  expect(isDifferent(change!)).toBe(true);
});

test.each([
  ["order-1", "order-1", "a text"],
  ["42", 42, "a number"],
  ['"42"', "42", "a text"],
  ["true", true, "true or false"],
  ['["a",1]', ["a", 1], "a list"],
  ["[1", "[1", "a text"],
  [
    '{"$reql_type$":"TIME","epoch_time":1,"timezone":"+00:00"}',
    { $reql_type$: "TIME", epoch_time: 1, timezone: "+00:00" },
    "a time or binary",
  ],
])("the key %s is taken as the command line takes it", (text, key, kind) => {
  expect(keyOf(text)).toEqual({ key });
  expect(keyKind(key)).toBe(kind);
});

test.each(["", "null", "{}", '{"a":1}'])("%j is no key", (text) => {
  expect(keyOf(text)).toHaveProperty("wrong");
});

const at = (minute: number) => `2026-11-28T10:${String(minute).padStart(2, "0")}:00.000+00:00`;

test("an answer is read with its documents as they are stored", () => {
  const version = (minute: number, kind: string, document: string, fields = "[]") =>
    `{"captured":"${at(minute)}","kind":"${kind}","operation":null,"fields":${fields},"document":${document}}`;
  const versions = [
    version(1, "inserted", '{"id":1,"big":12345678901234567890}'),
    version(2, "changed", '{"id":1,"big":1.0}', '[{"path":["big"],"before":1,"after":1.0}]'),
    version(3, "deleted", "null"),
  ];
  const history = readHistory(
    `{"table":"shop.orders","from":null,"to":"${at(9)}","key":1,"earlier":${version(0, "known", "{}")},` +
      `"versions":[${versions.join(",")}],"lacking":[],"proven":null}`,
  );
  expect(history.versions.map(({ kind, isEarlier }) => [kind, isEarlier])).toEqual([
    ["deleted", false],
    ["changed", false],
    ["inserted", false],
    ["known", true],
  ]);
  const [gone, changed, first] = history.versions;
  expect(gone!.document).toBeNull();
  expect(changed!.fields).toEqual([['"big"']]);
  expect(first!.document!.field("big")!.text).toBe("12345678901234567890");
});

test("what is lacking stands above the versions in it, and what is not proven above all", () => {
  const version = (minute: number) => ({
    id: String(minute),
    captured: at(minute),
    kind: "changed",
    operation: null,
    fields: [],
    document: null,
    isEarlier: false,
  });
  const gap = { from: at(3), to: at(5), class: "gap", reason: "away", resolutionMs: null };
  const thinned = { from: at(0), to: at(2), class: "exact", reason: null, resolutionMs: 60_000 };
  const history: DocumentHistory = {
    table: "shop.orders",
    to: at(20),
    versions: [version(6), version(2), version(1)],
    lacking: [thinned, gap],
    proven: { from: at(0), to: at(10), complete: false },
  };
  const told = (of: DocumentHistory) =>
    linesOf(of).map((line) => (line.is === "version" ? line.version.id : `${line.is} ${line.at}`));
  expect(told(history)).toEqual([
    `unproven ${at(10)}`,
    "6",
    `lacking ${at(5)}`,
    `lacking ${at(2)}`,
    "2",
    "1",
    `begin ${at(0)}`,
  ]);
  expect(linesOf(history)[0]).toMatchObject({ isOld: true });
  expect(told({ ...history, proven: null }).at(0)).toBe("unproven null");
  expect(told({ ...history, to: at(10) }).at(0)).toBe("6");
});
