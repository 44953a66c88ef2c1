/** What a person is told who has sent something wrong: in words of what it has to be, and not of the library that checks. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tools } from "../../src/api/mcp-tools.js";
import type { Shape } from "../../src/api/route.js";
import { allRoutes } from "../../src/api/server.js";
import { type Served, serveRecorded } from "./served.js";

let served: Served;

beforeAll(async () => {
  served = await serveRecorded();
});

afterAll(() => served.close());

async function ask(method: "GET" | "POST" | "DELETE", url: string, body?: unknown) {
  const { statusCode, body: text } = await served.app.inject({
    method,
    url,
    headers: {
      authorization: `Bearer ${served.tokens.admin}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "idempotency-key": "k",
    },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
  });
  return { status: statusCode, text };
}

const detailOf = (text: string) => (JSON.parse(text) as { detail: string }).detail;

test.each([
  ["GET", "/v1/audit?limit=0", "limit: a whole number from 1 to 1000"],
  ["GET", "/v1/audit?limit=-1", "limit: a whole number from 1 to 1000"],
  ["GET", "/v1/audit?limit=1001", "limit: a whole number from 1 to 1000"],
  ["GET", "/v1/audit?limit=1e2", "limit: a whole number from 1 to 1000"],
  ["GET", "/v1/audit?limit=1&limit=2", "limit: a whole number from 1 to 1000"],
  ["GET", "/v1/audit?after=x", "after: what an answer has said as `next`"],
  ["GET", "/v1/audit?since=x", "since is not known here; from, after and limit are"],
  ["GET", "/v1/tables/a.b/diff?limit=x", "limit: a whole number from 0 to 1000"],
  ["GET", "/v1/tables/a.b/diff?live=yes", "live: true or false"],
  ["GET", "/v1/tables/a/history?key=x", "table: a table is given as database.table"],
  ["GET", "/v1/tables/a.b/history", "key is missing"],
  ["GET", "/v1/coverage?of=x", "of is not known here; table is"],
] as const)("%s %s: %s", async (method, url, says) => {
  const { status, text } = await ask(method, url);
  expect([status, detailOf(text)]).toEqual([400, says]);
});

test.each([
  ["/v1/pins", {}, "name is missing"],
  ["/v1/pins", undefined, "name is missing"],
  ["/v1/pins", "x", "it is not a JSON object"],
  ["/v1/pins", { name: 1 }, "name: the name of a pin is a text"],
  ["/v1/marks", { text: "x", more: 1 }, "more is not known here; text and at are"],
  [
    "/v1/recoveries",
    { command: "drop", args: [] },
    "command: restore, rewind, undo, promote or drill",
  ],
  ["/v1/drills", { args: "x" }, "args: a list of texts"],
  ["/v1/drills", { args: ["--latest", 1] }, "args.1: an argument is a text"],
] as const)("POST %s %j: %s", async (url, body, says) => {
  const { status, text } = await ask("POST", url, body);
  expect([status, detailOf(text)]).toEqual([400, says]);
});

/** Values of which each is wrong for most fields. */
const odd = [null, 1, 1.5, -1, 1e9, true, "", "\u0000", "x".repeat(5000), [], [1], [""], {}];
const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
/** As the library that checks would say it. */
const raw = /Invalid|Expected|received|undefined|Object|Array/;

describe("whatever is given", () => {
  const shapes = allRoutes.flatMap(({ method, path, params, query, body }) =>
    (body ? [[method, path, body]] : query ? [[method, path, query]] : []).map(
      ([, , shape]) => [method, path, params, shape as Shape, body !== undefined] as const,
    ),
  );

  test.each(shapes)("%s %s says plainly what is wrong", async (method, path, _, shape, inBody) => {
    const url = path.replace("{table}", "shop.orders").replace("{id}", "0123abcd");
    const refused: string[] = [];
    for (const name of [...Object.keys(shape.entries), "unknown"]) {
      for (const value of odd) {
        const given = `?${name}=${encodeURIComponent(textOf(value))}&${name}=b`;
        const { status, text } = inBody
          ? await ask(method, url, { [name]: value })
          : await ask(method, url + given);
        if (status === 400) refused.push(detailOf(text));
      }
    }
    expect(refused.length).toBeGreaterThan(odd.length);
    expect(refused.filter((text) => raw.test(text))).toEqual([]);
  });

  test.each(tools.map((tool) => [tool.name, tool] as const))(
    "the tool %s says plainly what is wrong",
    async (name, { input }) => {
      const wrong: string[] = [];
      for (const of of [...Object.keys(input.entries), "unknown"]) {
        for (const value of odd) {
          const params = { name, arguments: { [of]: value } };
          const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
          const { text } = await ask("POST", "/mcp", call);
          const { result } = JSON.parse(text) as {
            result: { isError?: boolean; content: { text: string }[] };
          };
          // What a route has refused is its own answer.
          const said = result.content[0]!.text;
          if (result.isError && !said.startsWith("{")) wrong.push(said);
        }
      }
      expect(wrong.length).toBeGreaterThanOrEqual(odd.length);
      expect(wrong.filter((text) => raw.test(text))).toEqual([]);
    },
  );
});
