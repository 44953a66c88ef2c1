/** Texts that are not UTF-8: what the server takes, keeps, orders and sends, on the simulated and on a real server. */
import { beforeAll, describe, expect, test } from "vitest";
import { jsonOfText } from "../../src/server-text.js";
import { r } from "./driver.js";
import { onEachServer } from "./each-server.js";
import { markedBytes } from "./marked-bytes.js";

const refused = "failed to deserialize query";

onEachServer("bytes", (bench) => {
  const tableTerm = '[15,[[14,["bytes"]],"t"]]';
  const ask = (term: string) => bench().client.queryBytes(markedBytes(`[1,${term}]`));

  beforeAll(async () => {
    await bench().done(r.dbCreate("bytes"));
    await bench().done(r.db("bytes").tableCreate("t"));
  });

  describe("a text", () => {
    test.each([
      ["a low surrogate as an escape", "\\udc00", '"a\\udc00"'],
      ["one in upper case", "\\uDFFF", '"a\\udfff"'],
      ["a high one as an escape", "\\ud800", refused],
      ["two high ones as escapes", "\\ud800\\ud800", refused],
      ["a pair as escapes", "\\ud83d\\ude00", '"a😀"'],
      ["a low one as bytes", "<edb080>", '"a\\udc00"'],
      ["a high one as bytes", "<eda080>", '"a\\ud800"'],
      ["a low one before a high one", "<edb080><eda080>", '"a\\udc00\\ud800"'],
    ])("with %s", async (_, text, answer) => {
      expect(await ask(`"a${text}"`)).toContain(answer);
    });
  });

  test.each([
    ["as an escape", '\\"\\\\udc00\\"', '{"t":1,"r":["\\udc00"]}'],
    ["as bytes", '\\"<edb080><eda080>\\"', '{"t":1,"r":["\\udc00\\ud800"]}'],
    ["a high one as an escape", '\\"\\\\ud800\\"', "Failed to parse"],
  ])("r.json takes a text with a surrogate %s", async (_, text, answer) => {
    expect(await ask(`[98,["${text}"]]`)).toContain(answer);
  });

  test("binary data becomes such a text, and such a text binary data", async () => {
    const data = (hex: string) => Buffer.from(hex, "hex").toString("base64");
    for (const hex of ["edb080", "eda080", "61edbfbf62"]) {
      const binary = `{"$reql_type$":"BINARY","data":"${data(hex)}"}`;
      const text = await ask(`[51,[${binary},"string"]]`);
      expect(jsonOfText(text)).toEqual(markedBytes(`{"t":1,"r":["<${hex}>"]}`));
      expect(await ask(`[155,["<${hex}>"]]`)).toBe(`{"t":1,"r":[${binary}]}`);
      const written = await ask(
        `[98,[[51,[{"$reql_type$":"BINARY","data":"${data(`22${hex}22`)}"},"string"]]]]`,
      );
      expect(written).toBe(text);
    }
  });

  test("the digest of such a document is that of its bytes", async () => {
    expect(await ask('[169,["\\udc00"]]')).toBe(
      '{"t":1,"r":["00a20591-69a2-58c2-befc-427539a5413f"]}',
    );
    expect(await ask('[169,[[172,[{"f\\udc00":1}]]]]')).toBe(
      await ask('[169,["{\\"f<edb080>\\":1}"]]'),
    );
  });

  describe("in a table", () => {
    /** In the order of the index. */
    const texts = [
      "<ed9fbf>",
      "<eda080>",
      "<edafbf>",
      "<edb080>",
      "<edb080> cut",
      "<edb081>",
      "<ee8080>",
      "\uf900",
      "<efbfbd>",
      "😀",
    ];
    const keys = [...texts.map((text) => `["${text}",1]`), ...texts.map((text) => `"k${text}"`)];
    const document = (key: string, i: number) =>
      `{"f${texts[i % texts.length]}":{"n${texts[i % texts.length]}":"${texts[i % texts.length]}"},"id":${key}}`;
    const expected = (key: string, i: number) => markedBytes(document(key, i)).toString("latin1");
    const jsonTerm = (text: string) => `[98,[${JSON.stringify(text)}]]`;
    const sent = (response: string) => jsonOfText(response).toString("latin1");
    const open = '{"left_bound":"open","right_bound":"open"}';

    beforeAll(async () => {
      const all = keys.map((key, i) => document(key, i)).toReversed();
      const summary = await ask(`[56,[${tableTerm},${jsonTerm(`[${all.join()}]`)}]]`);
      expect(summary).toContain(`"inserted":${keys.length}`);
    });

    test("keys are ordered by their bytes, and documents come back as they were", async () => {
      const all = keys.map(expected);
      const rising = sent(await ask(`[41,[${tableTerm}],{"index":"id"}]`));
      expect(rising).toContain(`[${all.join()}]`);
      const falling = sent(await ask(`[41,[${tableTerm}],{"index":[74,["id"]]}]`));
      expect(falling).toContain(`[${all.toReversed().join()}]`);
    });

    test("each key finds its own document, and is a bound of ranges", async () => {
      for (const [i, key] of keys.entries()) {
        const found = sent(await ask(`[16,[${tableTerm},${jsonTerm(key)}]]`));
        expect(found).toBe(`{"t":1,"r":[${expected(key, i)}]}`);
        const range = `[182,[${tableTerm},${jsonTerm(key)},[181,[]]],${open}]`;
        const behind = sent(await ask(`[41,[${range}],{"index":"id"}]`));
        const rest = keys.map(expected).slice(i + 1);
        expect(behind).toContain(`"r":[${rest.join()}]`);
      }
    });

    test("a field is found by its name, whichever way it is given", async () => {
      const [key, i] = [keys[13]!, 13];
      const row = `[16,[${tableTerm},${jsonTerm(key)}]]`;
      const field = await ask(`[31,[[31,[${row},"f\\udc00"]],"n<edb080>"]]`);
      expect(field).toBe('{"t":1,"r":["\\udc00"]}');
      expect(sent(await ask(row))).toBe(`{"t":1,"r":[${expected(key, i)}]}`);
    });
  });

  test("primary keys, indexes and users may be called so, tables and databases may not", async () => {
    const named = '[15,[[14,["bytes"]],"named"]]';
    await ask('[60,[[14,["bytes"]],"named"],{"primary_key":"p<eda080>"}]');
    expect(await ask(`[56,[${named},{"p<eda080>":1,"i\\udc00":2}]]`)).toContain('"inserted":1');
    expect(await ask(`[75,[${named},"i\\udc00"]]`)).toContain('"created":1');
    expect(await ask(`[140,[${named}]]`)).toContain('"index":"i\\udc00"');
    expect(await ask(`[78,[${named},2],{"index":"i<edb080>"}]`)).toContain(
      '{"i\\udc00":2,"p\\ud800":1}',
    );
    const config = await ask('[15,[[14,["rethinkdb"]],"table_config"]]');
    expect(config).toContain('"primary_key":"p\\ud800"');
    const users = '[15,[[14,["rethinkdb"]],"users"]]';
    expect(await ask(`[56,[${users},{"id":"u\\udc00","password":"p"}]]`)).toContain('"inserted":1');
    expect(await ask(`[16,[${users},"u<edb080>"]]`)).toContain('"id":"u\\udc00"');
    expect(await ask('[57,["d\\udc00"]]')).toContain("Database name `d\\udc00` invalid");
    expect(await ask('[60,[[14,["bytes"]],"t\\udc00"]]')).toContain(
      "Table name `t\\udc00` invalid",
    );
  });
});
