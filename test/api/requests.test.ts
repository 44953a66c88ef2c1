/** What clients, load balancers and proxies really send, over a socket. */
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Served, serveRecorded } from "./served.js";

let served: Served;
let port: number;

beforeAll(async () => {
  served = await serveRecorded({ hosts: ["backup.example.com"] });
  await served.app.listen({ host: "127.0.0.1", port: 0 });
  ({ port } = served.app.server.address() as AddressInfo);
});

afterAll(() => served.close());

interface Answered {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** @param body undefined: nothing is sent, and no length of it is said */
function ask(
  method: string,
  path: string,
  headers: OutgoingHttpHeaders,
  body?: string,
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", method, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (bytes: Buffer) => (text += bytes.toString()));
      answer.on("end", () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, text }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const of = (role: "viewer" | "operator" | "approver") => ({
  authorization: `Bearer ${served.tokens[role]}`,
});

describe("an empty body is none", () => {
  const json = { "content-type": "application/json" };
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const empty: [string, OutgoingHttpHeaders][] = [
    ["of no type", {}],
    ["said to be JSON", json],
    ["said to be JSON, of length 0", { ...json, "content-length": 0 }],
    ["said to be JSON, in chunks", { ...json, "transfer-encoding": "chunked" }],
    ["said to be JSON with a charset", { "content-type": "application/json; charset=utf-8" }],
    ["said to be a form, as curl -d '' does", { ...form, "content-length": 0 }],
  ];

  test.each(empty)("%s: a recovery is cancelled by it", async (name, headers) => {
    const made = await ask(
      "POST",
      "/v1/drills",
      { ...of("operator"), ...json, "idempotency-key": name.replaceAll(/\W/g, "-") },
      JSON.stringify({ args: ["--latest"] }),
    );
    expect(made.status).toBe(202);
    const at = made.headers.location!;
    // It has no plan, so approving is refused for that; the body is not what is wrong.
    const approved = await ask("POST", `${at}/approve`, { ...of("approver"), ...headers });
    expect([approved.status, approved.text]).toEqual([422, expect.stringContaining("usage")]);
    const cancelled = await ask("POST", `${at}/cancel`, { ...of("operator"), ...headers });
    expect([cancelled.status, JSON.parse(cancelled.text)]).toMatchObject([
      200,
      { state: "cancelled" },
    ]);
  });

  test.each(empty)("%s: a route that takes a body says what it lacks", async (_, headers) => {
    const refused = await ask("POST", "/v1/marks", { ...of("operator"), ...headers });
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining("text")]);
  });

  test("what is not empty is JSON still, or refused", async () => {
    const pin = { ...of("operator"), "transfer-encoding": "chunked" };
    expect((await ask("POST", "/v1/marks", { ...pin, ...form }, "text=x")).status).toBe(415);
    expect((await ask("POST", "/v1/marks", pin, "text=x")).status).toBe(415);
    expect((await ask("POST", "/v1/marks", { ...pin, ...json }, " ")).status).toBe(400);
    expect((await ask("POST", "/v1/marks", { ...pin, ...json }, '{"text":"x"}')).status).toBe(201);
  });
});

describe("probes answer HEAD", () => {
  test.each(["/livez", "/readyz", "/healthz"])("%s as GET, without a body", async (path) => {
    // A load balancer asks by an address, or by a name that nobody gave.
    const named = { host: "pod-7.internal" };
    const [get, head] = [await ask("GET", path, named), await ask("HEAD", path, named)];
    expect([get.status, head.status, head.text]).toEqual([200, 200, ""]);
    const { date: _, connection: __, "keep-alive": ___, ...headers } = get.headers;
    expect(head.headers).toMatchObject(headers);
  });

  test("also while something is wrong", async () => {
    served.facts.observer(0).begins!();
    served.clock.nowMs = Date.now() + 300_000;
    expect((await ask("GET", "/healthz", {})).status).toBe(503);
    expect((await ask("HEAD", "/healthz", {})).status).toBe(503);
    served.clock.nowMs = undefined;
  });
});
