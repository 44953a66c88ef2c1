/** The protocol of assistants, asked by its official client in both its eras; the routes behind it are stand-ins. */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveMcp } from "../../src/api/mcp.js";
import { tools } from "../../src/api/mcp-tools.js";

/** A request as a route of the API has got it. */
interface Got {
  method: string;
  path: string;
  query: object;
  authorization: string | undefined;
  host: string | undefined;
  address: string;
  key: string | undefined;
  body: unknown;
}

let app: FastifyInstance;
let got: Got[];
let url: URL;
/** What the routes answer. */
let answer: { status: number; body: object };
let clients: Client[];

beforeEach(async () => {
  [got, clients] = [[], []];
  answer = { status: 200, body: { fine: true } };
  app = Fastify();
  const authorise = (request: FastifyRequest) => {
    const { authorization } = request.headers;
    if (authorization === "Bearer good" || authorization === "Bearer viewer")
      return Promise.resolve();
    return Promise.reject(Object.assign(new Error("a token is needed"), { statusCode: 401 }));
  };
  app.route({
    method: ["GET", "POST"],
    url: "/v1/*",
    onRequest: authorise,
    handler: (request, reply) => {
      const { authorization, host, "idempotency-key": key } = request.headers;
      got.push({
        method: request.method,
        path: request.url.split("?")[0]!,
        query: { ...(request.query as object) },
        authorization,
        host,
        address: request.ip,
        key: key as string | undefined,
        body: request.body,
      });
      return reply.status(answer.status).send(answer.body);
    },
  });
  serveMcp(app, { version: "1.2.3", authorise });
  await app.listen({ host: "127.0.0.1", port: 0 });
  url = new URL(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`);
});

afterEach(async () => {
  for (const client of clients) await client.close();
  await app.close();
});

const eras = [
  ["the handshake of 2025", "legacy"],
  ["the requests of 2026", { pin: "2026-07-28" }],
] as const;

async function connected(
  mode: (typeof eras)[number][1] = "legacy",
  token = "good",
): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const headers = { authorization: `Bearer ${token}` };
  clients.push(client);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
  return client;
}

const textIn = (result: { content: unknown[] }) => (result.content as { text: string }[])[0]!.text;

describe.each(eras)("the official client, with %s", (_, mode) => {
  test("learns who answers, and which tools there are", async () => {
    const client = await connected(mode);
    expect(client.getServerVersion()).toMatchObject({ name: "thinkback", version: "1.2.3" });
    expect(client.getInstructions()).toMatch(/a person approves/);
    expect(Object.keys(client.getServerCapabilities()!)).toEqual(["tools"]);
    const { tools: listed } = await client.listTools();
    expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
    for (const { inputSchema } of listed) {
      expect(inputSchema).toMatchObject({ type: "object", additionalProperties: false });
    }
    expect(got).toEqual([]);
  });

  test("gets the answer of the route, asked with the caller's token, name and address", async () => {
    const client = await connected(mode);
    const result = await client.callTool({
      name: "history",
      arguments: { table: "shop.a/b", key: '"k & 1"', from: "10 minutes ago" },
    });
    expect([textIn(result), result.isError]).toEqual(['{"fine":true}', undefined]);
    expect(got).toEqual([
      {
        method: "GET",
        path: "/v1/tables/shop.a%2Fb/history",
        query: { key: '"k & 1"', from: "10 minutes ago" },
        authorization: "Bearer good",
        host: url.host,
        address: "127.0.0.1",
        key: undefined,
        body: undefined,
      },
    ]);
  });

  test("is told what the API refuses, and what no tool takes", async () => {
    const client = await connected(mode, "viewer");
    answer = { status: 403, body: { code: "forbidden", detail: "this is for the role operator" } };
    const refused = await client.callTool({
      name: "show",
      arguments: { table: "shop.a", key: "1" },
    });
    expect([refused.isError, textIn(refused)]).toEqual([true, expect.stringMatching(/forbidden/)]);
    const wrong = await client.callTool({
      name: "diff",
      arguments: { table: "shop.a", limit: -1, evil: 1 },
    });
    expect([wrong.isError, textIn(wrong)]).toEqual([
      true,
      expect.stringMatching(/limit: .*evil is not known/s),
    ]);
    for (const name of ["approve", "confirm", "approve_recovery", "confirm_recovery"]) {
      const unknown = await client.callTool({ name, arguments: {} });
      expect([unknown.isError, textIn(unknown)]).toEqual([true, `there is no tool ${name}`]);
    }
    expect(got).toHaveLength(1);
  });

  test("requests a recovery, which always waits for a person", async () => {
    const client = await connected(mode);
    const request = { command: "rewind", args: ["shop.orders", "--at=10 minutes ago"] };
    await client.callTool({ name: "request_recovery", arguments: request });
    await client.callTool({ name: "request_recovery", arguments: request });
    await client.callTool({
      name: "request_recovery",
      arguments: { ...request, once: "incident-7" },
    });
    for (const { method, path, body } of got) {
      expect([method, path, body]).toEqual([
        "POST",
        "/v1/recoveries",
        { ...request, needsApproval: true },
      ]);
    }
    expect(got[2]!.key).toBe("incident-7");
    expect(new Set(got.map(({ key }) => key)).size).toBe(3);
    for (const more of [{ needsApproval: false }, { confirm: false }]) {
      const sly = { ...request, ...more };
      const refused = await client.callTool({ name: "request_recovery", arguments: sly });
      expect([refused.isError, got.length]).toEqual([true, 3]);
    }
    const routes = tools.map(
      ({ route }) => route({ command: "undo", args: [], id: "0" }, "u").path,
    );
    expect(routes.filter((path) => /approve|confirm/.test(path))).toEqual([]);
  });

  test("gets no answer that would fill its memory", async () => {
    const client = await connected(mode);
    answer = { status: 200, body: { text: "x".repeat(200_001) } };
    const result = await client.callTool({ name: "status", arguments: {} });
    expect([result.isError, textIn(result)]).toEqual([true, expect.stringMatching(/ask for less/)]);
    answer = { status: 200, body: { text: "x".repeat(190_000) } };
    expect(textIn(await client.callTool({ name: "status" })).length).toBe(190_011);
  });

  test("is refused without a token that counts", async () => {
    await expect(connected(mode, "bad")).rejects.toThrow();
    expect(got).toEqual([]);
  });
});

describe("over HTTP", () => {
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    app.inject({
      method: "POST",
      url: "/mcp",
      headers: {
        authorization: "Bearer good",
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        ...headers,
      },
      payload: JSON.stringify(body),
    });

  test("a token is asked for before anything else", async () => {
    for (const method of ["GET", "POST", "DELETE"] as const) {
      const answered = await app.inject({ method, url: "/mcp" });
      expect([method, answered.statusCode]).toEqual([method, 401]);
    }
  });

  test("there are no sessions and no streams to hold open", async () => {
    const headers = { authorization: "Bearer good", accept: "text/event-stream" };
    for (const method of ["GET", "DELETE"] as const) {
      expect((await app.inject({ method, url: "/mcp", headers })).statusCode).toBe(405);
    }
    const client = await connected({ pin: "2026-07-28" });
    const listening = client.listen({ toolsListChanged: true } as never);
    await expect(listening).rejects.toThrow();
  });

  test("a ping is answered, and what is no such message is refused", async () => {
    const ping = await post({ jsonrpc: "2.0", id: 7, method: "ping" });
    expect([ping.statusCode, ping.body]).toEqual([200, expect.stringContaining('"id":7')]);
    expect(ping.headers["content-type"]).toMatch(/^application\/json/);
    const other = await post({ jsonrpc: "2.0", id: 8, method: "resources/list" });
    expect(other.body).toMatch(/-32601/);
    for (const wrong of [{ hello: 1 }, 42, [], { jsonrpc: "1.0", id: 1, method: "ping" }]) {
      expect([wrong, (await post(wrong)).statusCode]).toEqual([wrong, 400]);
    }
  });
});

describe("the tools", () => {
  test("approve nothing and cancel nothing, and only one adds something", () => {
    expect(tools.filter(({ isReading }) => !isReading).map(({ name }) => name)).toEqual([
      "request_recovery",
    ]);
    const text = readFileSync(new URL("../../src/api/mcp-tools.ts", import.meta.url), "utf8");
    expect(text).not.toMatch(/\/approve|\/cancel|method: "(PUT|PATCH|DELETE)"/);
  });

  test("are on the page for assistants, each of them", () => {
    const page = readFileSync(new URL("../../docs/assistants.md", import.meta.url), "utf8");
    const list = page.slice(page.indexOf("| tool | asks |"));
    const rows = [...list.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
    expect(rows).toEqual(tools.map(({ name }) => name));
  });
});
