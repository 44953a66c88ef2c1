/** Texts of other programs in the server's form. The expected texts were taken from a server, see exchange.test.ts. */
import { describe, expect, test } from "vitest";
import { documentTexts } from "../../src/exchange/document-texts.js";
import { NotADocument } from "../../src/exchange/pseudo-types.js";
import { rowOf } from "../../src/exchange/server-json.js";
import { decimalLength } from "../../src/exchange/server-key.js";
import { serverNumber } from "../../src/exchange/server-number.js";

const documentOf = (text: string) => rowOf(text, "id").document.toString("latin1");
const valueOf = (json: string) =>
  documentOf(`{"id": 1, "v": ${json}}`).slice('{"id":1,"v":'.length, -1);
const utf8 = (text: string) => Buffer.from(text).toString("latin1");

describe("numbers", () => {
  test.each([
    [0.1 + 0.2, "0.30000000000000007"],
    [0.1, "0.1"],
    [1 / 3, "0.3333333333333333"],
    [5e-324, "5e-324"],
    [1.7976931348623157e308, "1.7976931348623157e308"],
    [2 ** 53, "9007199254740992"],
    [2 ** 53 + 2, "9007199254740994.0"],
    [-(2 ** 53), "-9007199254740992"],
    [1e20, "100000000000000000000.0"],
    [1e21, "1e21"],
    [1e22, "1e22"],
    [1.5e300, "1.5e300"],
    [0.000001, "0.000001"],
    [1e-7, "1e-7"],
    [-0, "-0.0"],
    [0, "0"],
    [-12.5, "-12.5"],
  ])("%d", (value, text) => expect(serverNumber(value)).toBe(text));

  test.each([
    ["1e+22", "1e22"],
    ["-0.0", "-0.0"],
    ["-0", "0"],
    ["[-0, -0.0, -0e0]", "[0,-0.0,-0.0]"],
    ['"-0"', '"-0"'],
    ["1.0", "1"],
    ["12345678901234567890123", "1.2345678901234568e22"],
    ["9007199254740993", "9007199254740992"],
  ])("Python's %s", (python, text) => expect(valueOf(python)).toBe(text));
});

describe("strings", () => {
  test.each([
    ['"\\u00e9\\ud83d\\ude00"', utf8('"é😀"')],
    ['"\\udc00"', '"\xed\xb0\x80"'],
    ['"\\ud800x"', '"\xed\xa0\x80x"'],
    ['"\\/\\u0041"', '"/A"'],
    ['"\\u001f\\u0008\\n\\u007f"', '"\\u001F\\b\\n\x7f"'],
    ['"\\\\u001f\\\\udc00"', '"\\\\u001f\\\\udc00"'],
    ['"\\u2028"', utf8('"\u2028"')],
  ])("%s", (json, text) => expect(valueOf(json)).toBe(text));
});

describe("objects", () => {
  test("have their fields in the order of bytes", () => {
    const names = ["id", "b", "a", "aa", "", "__proto__", "10", "9", "\uffff", "😀", "é", '"'];
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const text = documentOf(`{${names.map((name) => `${JSON.stringify(name)}: 1`).join(", ")}}`);
    const expected = `{${sorted.map((name) => `${JSON.stringify(name)}:1`).join(",")}}`;
    expect(text).toBe(utf8(expected));
  });

  test("have surrogates before what follows them, after all that is less", () => {
    expect(documentOf('{"id":1,"\\ue000":1,"\\udc00":2,"\\ud83d\\ude00":3,"\\ud7ff":4}')).toBe(
      `{"id":1,"${utf8("\ud7ff")}":4,"\xed\xb0\x80":2,"${utf8("\ue000")}":1,"${utf8("😀")}":3}`,
    );
  });

  test.each([
    [
      '{"timezone":"Z","epoch_time":1.23456,"$reql_type$":"TIME"}',
      '{"$reql_type$":"TIME","epoch_time":1.235,"timezone":"+00:00"}',
    ],
    [
      '{"$reql_type$":"TIME","epoch_time":-1.0,"timezone":"-0930"}',
      '{"$reql_type$":"TIME","epoch_time":-1,"timezone":"-09:30"}',
    ],
    [
      `{"$reql_type$":"BINARY","data":"${"A".repeat(80)}"}`,
      `{"$reql_type$":"BINARY","data":"${"A".repeat(76)}\\r\\nAAAA"}`,
    ],
    ['{"$reql_type$":"BINARY","data":""}', '{"$reql_type$":"BINARY","data":""}'],
    ['{"$reql_type$":"BINARY","data":"AB =\\t=="}', '{"$reql_type$":"BINARY","data":"AA=="}'],
    ['{"$reql_type$":"BINARY","data":"===="}', '{"$reql_type$":"BINARY","data":""}'],
    [
      '{"$reql_type$":"GEOMETRY","type":"Point","coordinates":[999.50,999]}',
      '{"$reql_type$":"GEOMETRY","coordinates":[999.5,999],"type":"Point"}',
    ],
    [
      '{"value":{"b":1,"a":2},"$reql_type$":"LITERAL"}',
      '{"$reql_type$":"LITERAL","value":{"a":2,"b":1}}',
    ],
  ])("a pseudo type: %s", (json, text) => expect(valueOf(json)).toBe(text));

  test.each([
    ["1", /not an object/],
    ["{", /not JSON/],
    ['{"id":NaN}', /not JSON/],
    ['{"a":1}', /no primary key "id"/],
    ['{"id":null}', /type that no key has/],
    ['{"id":{"a":1}}', /type that no key has/],
    ['{"id":1,"a":1e999}', /too large/],
    ['{"id":1,"a":{"$reql_type$":"MINVAL"}}', /unknown type "MINVAL"; its primary key is 1/],
    ['{"id":1,"a":{"$reql_type$":"LITERAL","x":1}}', /a literal with the field "x"/],
    ['{"id":"x","a":{"b":1,"b":2}}', /a field twice; its primary key is "x"/],
    ['{"id":1,"id":"\\":"}', /a field twice/],
    [`{"id":1,"a":{"b":[${"1,".repeat(100_000)}1]}}`, /an array of more than 100,000 items/],
    [`{"id":"${"x".repeat(128)}"}`, /longer than the 127 bytes .*; its primary key is "xxx/],
    [`{"id":"${"é".repeat(64)}"}`, /longer than the 127 bytes/],
    [`{"id":"${"x".repeat(1000)}"}`, /its primary key is "x{199}…$/],
    ['{"id":[1.1,1.1,1.1,1.1]}', /longer than the 127 bytes/],
    ['{"id":"a\\u0000"}', /a null byte/],
    ['{"id":[["a\\u0000"]]}', /a null byte/],
    ['{"id":[null]}', /type that no key has/],
    ['{"id":{"$reql_type$":"GEOMETRY","type":"Point","coordinates":[1,2]}}', /no key has/],
    ['{"id":1,"a":{"$reql_type$":"TIME","epoch_time":1,"timezone":"+01:"}}', /a time/],
    ['{"id":1,"a":{"$reql_type$":"TIME","epoch_time":1.8e305,"timezone":"Z"}}', /too large/],
    ['{"id":1,"a":{"$reql_type$":"BINARY","data":"A\\fA=="}}', /not base64/],
    ['{"id":1,"a":{"$reql_type$":"BINARY","data":"AAAAA==="}}', /not base64/],
    [
      '{"id":1,"a":{"$reql_type$":"GEOMETRY","type":"Point","coordinates":[],"bbox":[]}}',
      /a geometry with the field "bbox"/,
    ],
    ['{"id":1,"a":{"$reql_type$":"TIME","epoch_time":1}}', /a time that is not one/],
    ['{"id":1,"a":{"$reql_type$":"TIME","epoch_time":1,"timezone":"-00:00"}}', /a time/],
    ['{"id":1,"a":{"$reql_type$":"BINARY","data":"?"}}', /not base64/],
    ['{"id":1,"a":{"$reql_type$":"GEOMETRY"}}', /a geometry/],
    [`{"id":1,"a":${"[".repeat(6000)}${"]".repeat(6000)}}`, /nested too deeply/],
  ])("what no server holds is refused: %.60s", (text, error) => {
    expect(() => documentOf(text)).toThrow(NotADocument);
    expect(() => documentOf(text)).toThrow(error);
  });
});

test.each([
  ["arrays", `${"[".repeat(2000)}${"]".repeat(2000)}`],
  ["objects", `${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`],
])("2,000 levels of %s are read", (_, json) => expect(valueOf(json)).toBe(json));

test("a name and a colon within a string are no field", () => {
  expect(valueOf('"a\\":1,\\"a\\" : {"')).toBe('"a\\":1,\\"a\\" : {"');
});

test.each([
  `"${"x".repeat(127)}"`,
  "[1,1,1,1,1,1]",
  `[${"true,".repeat(41)}true]`,
  `["${"x".repeat(125)}"]`,
  "[1.1,1.1,1.1]",
  "[]",
  '""',
])("a key that is not too long: %.40s", (key) => {
  expect(rowOf(`{"id": ${key}}`, "id").key.toString()).toBe(key);
});

test("the length of a number in decimals is that of C", () => {
  const lengths = [1.1, 0.1, -1e22, 123456, 1e-5, 2 ** 70, 0.00012, 5e-324, 1e19, -0].map(
    decimalLength,
  );
  // As C prints them: 1.1000000000000000888, 0.10000000000000000555, -1e+22, 123456, 1.0000000000000000818e-05,
  // 1.1805916207174113034e+21, 0.00012000000000000000304, 4.9406564584124654418e-324, 10000000000000000000, -0.
  expect(lengths).toEqual([21, 22, 6, 6, 25, 25, 25, 26, 20, 2]);
});

describe("the documents of a file", () => {
  async function cut(text: string | Buffer, bytes: number): Promise<string[]> {
    const all = Buffer.from(text as string);
    const chunks = (async function* () {
      for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes);
    })();
    const found: string[] = [];
    for await (const one of documentTexts(chunks)) found.push(one);
    return found;
  }

  const long = `{"a":"${"é".repeat(100)}"}`;
  describe.each([1, 2, 7, 64, 100_000])("in pieces of %d bytes", (bytes) => {
    test.each([
      ["[\n]\n", []],
      ["[]", []],
      [' [ {"a":1} ,\n{"b":"]}\\""}\n]\n ', ['{"a":1}', '{"b":"]}\\""}']],
      ['\ufeff[{"a":1}]', ['{"a":1}']],
      ['{"a":1}{"b":{}}\n\n{"c":[]}\n', ['{"a":1}', '{"b":{}}', '{"c":[]}']],
      [`[${long},\n${long}\n]`, [long, long]],
    ])("%.30s", async (text, documents) => expect(await cut(text, bytes)).toEqual(documents));

    test.each([
      ["", /empty/],
      [" \n", /empty/],
      ["1", /neither an array nor an object/],
      ['[{"a":1}', /ends before its array/],
      ['[{"a":1},', /not an object/],
      ['[{"a":1', /ends within a document/],
      ['[{"a":1} {"b":1}]', /comma is missing/],
      ["[1]", /not an object/],
      ["[]x", /more behind the end/],
      ['{"a":1},{"a":2}', /not an object/],
      [Buffer.from('[{"a":"\xff"}]', "latin1"), /not UTF-8/],
    ])("%.30s is refused", async (text, error) => {
      await expect(cut(text, bytes)).rejects.toThrow(error);
    });
  });
});
