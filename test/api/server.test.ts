/** Who comes through to the API, and what of the documents reaches whom. */

import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allRoutes } from "../../src/api/server.js";
import { systemClock } from "../../src/clock.js";
import { drillName, numberedName, tokenPrefix } from "../../src/format/names.js";
import { healthOf } from "../../src/health/health.js";
import { nextEvent } from "../../src/recoveries/changes.js";
import { type Consent, putEvent, readEvent } from "../../src/recoveries/events.js";
import { createRecovery } from "../../src/recoveries/recoveries.js";
import { listAudit } from "../../src/repository/records/audit.js";
import { createToken, type Role, revokeToken } from "../../src/repository/registers/tokens.js";
import { planted, type Served, serveRecorded } from "./served.js";

let served: Served;

beforeAll(async () => {
  served = await serveRecorded({ hosts: ["backup.example.com"] });
});

afterAll(() => served.close());

interface Options {
  role?: Role;
  token?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

async function ask(method: "GET" | "POST" | "DELETE", url: string, options: Options = {}) {
  const { role, token = role && served.tokens[role], headers = {}, body } = options;
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const {
    statusCode,
    headers: answered,
    body: text,
  } = await served.app.inject({
    method,
    url,
    headers: { ...authorization, ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  const isJson = String(answered["content-type"]).includes("json");
  return {
    status: statusCode,
    headers: answered,
    text,
    json: (isJson ? JSON.parse(text) : {}) as Record<string, unknown>,
  };
}

const audited = async () => (await listAudit(served.store, "", 10_000)).map(({ entry }) => entry);

describe("a token", () => {
  test.each([
    ["none", undefined],
    ["that is no token", "x"],
    ["that nobody made", `thinkback_0123abcd_${"a".repeat(43)}`],
  ])("%s: 401", async (_, token) => {
    const { status, json, headers } = await ask("GET", "/v1/status", token ? { token } : {});
    expect([status, json["code"]]).toEqual([401, "unauthenticated"]);
    expect(headers["content-type"]).toContain("application/problem+json");
    expect(headers["www-authenticate"]).toContain("Bearer");
  });

  test("with one letter of its secret changed: 401", async () => {
    const token = served.tokens.viewer;
    const last = token.endsWith("A") ? "B" : "A";
    expect((await ask("GET", "/v1/status", { token: token.slice(0, -1) + last })).status).toBe(401);
    expect((await ask("GET", "/v1/status", { token })).status).toBe(200);
  });

  test("in the URL, or in another form of authorization, does not count", async () => {
    const token = served.tokens.viewer;
    expect((await ask("GET", `/v1/status?token=${token}`)).status).toBe(401);
    const basic = `Basic ${Buffer.from(`x:${token}`).toString("base64")}`;
    const headers = { authorization: basic, cookie: `token=${token}` };
    expect((await ask("GET", "/v1/status", { headers })).status).toBe(401);
  });

  test("that was made now counts at its first use; one that expires, until then", async () => {
    const request = { name: "short", role: "viewer" as const, expiresAt: Date.now() + 600_000 };
    const { text } = await createToken(served.store, request, Date.now());
    expect((await ask("GET", "/v1/status", { token: text })).status).toBe(200);
    served.clock.nowMs = Date.now() + 600_001;
    expect((await ask("GET", "/v1/status", { token: text })).status).toBe(401);
    served.clock.nowMs = undefined;
  });

  test("whose object is damaged is refused, also where that was to revoke it; others count", async () => {
    const request = { name: "torn", role: "viewer" as const, expiresAt: undefined };
    const { token, text } = await createToken(served.store, request, Date.now());
    const status = async (of: string) => (await ask("GET", "/v1/marks", { token: of })).status;
    expect(await status(text)).toBe(200);
    const torn = numberedName(tokenPrefix(token.id), 2);
    await served.store.put(torn, Buffer.from("torn"));
    await expect.poll(() => status(text), { timeout: 5000, interval: 200 }).toBe(401);
    expect(await status(served.tokens.viewer)).toBe(200);
    await served.store.delete(torn);
  });

  test("counts for half a minute while the store cannot be read, and not for longer", async () => {
    let isAway = false;
    let later = 0;
    const monotonicMs = () => systemClock.monotonicMs() + later;
    const other = await serveRecorded({
      clock: { ...systemClock, monotonicMs },
      store: (store) => {
        const list = (prefix: string) => {
          if (isAway) throw new Error("the store is away");
          return store.list(prefix);
        };
        return Object.create(store, { list: { value: list } }) as typeof store;
      },
    });
    const headers = { authorization: `Bearer ${other.tokens.viewer}` };
    const status = async (url: string) => (await other.app.inject({ url, headers })).statusCode;
    expect(await status("/openapi.json")).toBe(200);
    expect(await status("/v1/pins")).toBe(200);
    isAway = true;
    later = 29_000;
    expect([await status("/v1/pins"), await status("/readyz")]).toEqual([200, 200]);
    later = 31_000;
    const probes = ["/v1/pins", "/readyz", "/livez"].map(status);
    expect(await Promise.all(probes)).toEqual([503, 503, 200]);
    await other.close();
  });

  test("that is revoked is refused within seconds", async () => {
    const request = { name: "gone", role: "viewer" as const, expiresAt: undefined };
    const { token, text } = await createToken(served.store, request, Date.now());
    const status = async () => (await ask("GET", "/v1/marks", { token: text })).status;
    expect(await status()).toBe(200);
    await revokeToken(served.store, token.id, Date.now());
    await expect.poll(status, { timeout: 5000, interval: 200 }).toBe(401);
  });
});

describe("a role", () => {
  const needs: [string, "GET" | "POST" | "DELETE", string, Role[]][] = [
    ["sees", "GET", "/v1/marks", ["viewer", "operator", "approver", "admin"]],
    [
      "reads documents",
      "GET",
      "/v1/tables/shop.orders/history?key=x",
      ["operator", "approver", "admin"],
    ],
    ["requests", "DELETE", "/v1/pins/none", ["operator", "admin"]],
    ["approves", "POST", "/v1/recoveries/0123abcd/approve", ["approver", "admin"]],
    ["confirms", "POST", "/v1/recoveries/0123abcd/confirm", ["operator", "admin"]],
    ["acknowledges", "POST", "/v1/gaps/acknowledge", ["operator", "admin"]],
    ["administers", "GET", "/v1/audit", ["admin"]],
  ];
  test.each(needs)("that %s", async (_, method, url, those) => {
    for (const role of ["viewer", "operator", "approver", "admin"] as const) {
      const { status } = await ask(method, url, { role });
      expect([role, status === 403]).toEqual([role, !those.includes(role)]);
    }
  });

  test("is asked for by every route: without a token none answers", async () => {
    for (const { method, path } of allRoutes) {
      const url = path.replace("{table}", "shop.orders").replace("{id}", "0123abcd");
      expect([path, (await ask(method, url.replace("{name}", "x"))).status]).toEqual([path, 401]);
    }
    expect((await ask("GET", "/metrics")).status).toBe(401);
    expect((await ask("GET", "/metrics", { role: "viewer" })).text).toContain("thinkback_up 1");
  });
});

test("a viewer gets no byte of a document, in no answer, header or error", async () => {
  const stretch = `from=${served.before}&to=${served.cut}`;
  const key = `${planted}-1`;
  const asked = { name: "other", via: "api" as const };
  const args = ["shop.orders", "--key", `"${planted}-6"`, `--where={"a":"${planted}-7"}`];
  const request = { command: "undo", args, by: asked };
  const { id } = await createRecovery(served.store, systemClock, request);
  const seen = "status coverage tables tables/shop.orders points pins marks drills processes stores"
    .split(" ")
    .concat("recoveries", "audit");
  const urls = [
    ...seen,
    `recoveries/${id}`,
    "tables/shop.orders/details",
    "tables/shop.orders/reads",
    `tables/shop.orders/diff?${stretch}`,
    // Refused, because the instant is not exact: the reason quotes a document.
    `tables/shop.orders/diff?from=${served.before}&to=${new Date().toISOString()}`,
    `tables/shop.orders/history?key=${key}`,
    `tables/shop.orders/document?key=${key}`,
  ];
  const statuses = new Map<string, number>();
  for (const url of urls) {
    const { status, text, headers } = await ask("GET", `/v1/${url}`, { role: "viewer" });
    statuses.set(url, status);
    expect(text + JSON.stringify(headers), url).not.toContain(planted);
  }
  for (const url of ["details", "reads", `diff?${stretch}`]) {
    expect(statuses.get(`tables/shop.orders/${url}`)).toBe(200);
  }
  expect(served.ran.some((ran) => ran[0] === "diff" && ran.includes("--limit=0"))).toBe(true);

  // The same markers are there for who may read them: else nothing was looked for.
  const found = new Set<string>();
  for (const url of urls) {
    const { text } = await ask("GET", `/v1/${url}`, { role: "admin" });
    for (const [marker] of text.matchAll(/planted-marker-\d/g)) found.add(marker);
  }
  expect([...found].sort()).toEqual(
    ["1", "2", "3", "5", "6", "7", "8", "9"].map((n) => `${planted}-${n}`),
  );
});

test("documents come as they are stored, byte for byte", async () => {
  const url = `/v1/tables/shop.orders/document?key=${planted}-1&at=${served.before}`;
  const { text } = await ask("GET", url, { role: "operator" });
  expect(text).toContain(`"document":{"id":"${planted}-1","text":"${planted}-2","n":1}`);
});

test("a pin ends when it was asked to", async () => {
  const body = { name: "for-a-day", for: "24h" };
  const made = await ask("POST", "/v1/pins", { role: "operator", body });
  const until = Date.parse(made.json["until"] as string);
  expect(until - Date.parse(made.json["made"] as string)).toBe(86_400_000);
  expect((await ask("DELETE", "/v1/pins/for-a-day", { role: "operator" })).status).toBe(200);
});

describe("a drill", () => {
  test("is told as what it found: keys and reasons for nobody, and for no viewer", async () => {
    const drillFor = async (role: Role) => {
      const { text, json } = await ask("GET", "/v1/drills", { role });
      expect(text).not.toContain(`${planted}-4`);
      return (json["drills"] as object[])[0];
    };
    const differences = { missing: 1, altered: 0, extra: 0, settings: 0 };
    expect(await drillFor("operator")).toMatchObject({
      ok: false,
      failure: { kind: "target", reason: expect.stringContaining(`${planted}-5`) as string },
      tables: [{ differences }],
    });
    expect(await drillFor("viewer")).toMatchObject({ failure: { kind: "target", reason: null } });
  });

  test("whose object is damaged is named, and the others are told", async () => {
    const name = drillName(Date.now() + 1000, "fedcba987654");
    await served.store.put(name, Buffer.from("torn"));
    const { status, json } = await ask("GET", "/v1/drills", { role: "viewer" });
    await served.store.delete(name);
    expect([status, json["damaged"]]).toEqual([200, [name]]);
    expect(json["drills"]).toHaveLength(1);
  });
});

describe("the audit", () => {
  test("has each change before and after it, and each reading of documents", async () => {
    const from = (await audited()).length;
    const body = { name: "release-1", note: "as it was" };
    const made = await ask("POST", "/v1/pins", { role: "operator", body });
    expect([made.status, made.headers["location"]]).toEqual([201, "/v1/pins/release-1"]);
    expect((await ask("DELETE", "/v1/pins/release-1", { role: "operator" })).status).toBe(200);
    expect((await ask("DELETE", "/v1/pins/release-1", { role: "operator" })).status).toBe(404);
    await ask("GET", `/v1/tables/shop.orders/history?key=${planted}-1`, { role: "approver" });
    await ask("GET", "/v1/status", { role: "operator" });
    const entries = (await audited()).slice(from);
    expect(entries.map(({ what, outcome }) => `${what}: ${outcome}`)).toEqual([
      "pin add: begins",
      "pin add: done",
      "pin remove: begins",
      "pin remove: done",
      "pin remove: begins",
      "pin remove: unknown",
      "history: done",
    ]);
    expect(entries.at(-1)).toMatchObject({
      actor: { name: "the-approver", via: "api" },
      over: { table: "shop.orders", key: `${planted}-1` },
      address: "127.0.0.1",
    });
  });

  test("that cannot be written refuses what it would tell of, and nothing else", async () => {
    const away = await serveRecorded({
      store: (store) =>
        Object.create(store, {
          put: { value: () => Promise.reject(new Error("the disk is full")) },
        }) as typeof store,
    });
    const headers = { authorization: `Bearer ${away.tokens.operator}` };
    const answers = async (method: "GET" | "POST", url: string, payload?: object) => {
      const given = { method, url, headers, ...(payload ? { payload } : {}) };
      const { statusCode, body } = await away.app.inject(given);
      return { status: statusCode, body };
    };
    const history = await answers("GET", `/v1/tables/shop.orders/history?key=${planted}-1`);
    expect(history).toMatchObject({ status: 503 });
    expect(JSON.parse(history.body)).toMatchObject({ code: "audit" });
    expect(history.body).not.toContain(planted);
    const before = away.ran.length;
    expect((await answers("POST", "/v1/marks", { text: "x" })).status).toBe(503);
    expect(away.ran.length).toBe(before);
    expect((await answers("GET", "/v1/marks")).status).toBe(200);
    await away.close();
  });

  test("is listed for the admin, part by part", async () => {
    const first = await ask("GET", "/v1/audit?limit=2", { role: "admin" });
    expect(first.json["entries"]).toHaveLength(2);
    const next = first.json["next"] as string;
    const more = await ask("GET", `/v1/audit?limit=1&after=${next}`, { role: "admin" });
    const [third] = (await audited()).slice(2);
    expect(more.json["entries"]).toMatchObject([{ what: third!.what, outcome: third!.outcome }]);
  });
});

/** Does what a worker does: event 2 claims it, event 3 has its plan. */
async function planned(id: string, waitsFor: Consent[]): Promise<void> {
  const worker = { unique: "w1", host: "h", process: 1, space: "h", silentMs: 30_000 };
  const plan = { summary: { documents: 3 }, args: [], parts: [] };
  for (const change of [
    { kind: "claim", worker },
    { kind: "plan", plan, waitsFor },
  ] as const) {
    const last = await readEvent(served.store, id, change.kind === "claim" ? 1 : 2);
    const event = nextEvent(last, change, { name: "w1", via: "worker" }, Date.now());
    expect(await putEvent(served.store, event)).toBe(true);
  }
}

describe("a recovery", () => {
  const body = { command: "undo", args: ["shop.orders", "--from=10m ago"] };
  const headers = { "idempotency-key": "once" };

  test("is requested once by a key, approved by another, and cancelled", async () => {
    const first = await ask("POST", "/v1/recoveries", { role: "operator", body, headers });
    expect(first.status).toBe(202);
    const location = first.headers["location"] as string;
    const again = await ask("POST", "/v1/recoveries", { role: "operator", body, headers });
    expect(again.headers["location"]).toBe(location);
    const other = { ...body, args: ["shop.orders", "--from=20m ago"] };
    const changed = await ask("POST", "/v1/recoveries", { role: "operator", body: other, headers });
    expect(changed.status).toBe(422);
    const ofAdmin = await ask("POST", "/v1/recoveries", { role: "admin", body, headers });
    expect(ofAdmin.headers["location"]).not.toBe(location);
    // It has no plan yet.
    expect((await ask("POST", `${location}/approve`, { role: "approver" })).status).toBe(422);
    const cancelled = await ask("POST", `${location}/cancel`, { role: "operator" });
    expect(cancelled.json).toMatchObject({ state: "cancelled", args: body.args });
    expect((await ask("GET", location, { role: "viewer" })).json).not.toHaveProperty("args");
  });

  test("waits for a confirmation of the plan that was seen, and for an approval of a third one", async () => {
    const asked = { ...body, confirm: true };
    const made = await ask("POST", "/v1/recoveries", {
      role: "operator",
      body: asked,
      headers: { "idempotency-key": "seen first" },
    });
    expect(made.json).toMatchObject({ confirm: true, waitsFor: [], needsApproval: true });
    const location = made.headers["location"] as string;
    const id = made.json["id"] as string;
    const confirm = (role: Role, given: object) =>
      ask("POST", `${location}/confirm`, { role, body: given });
    const early = await confirm("operator", { number: 1 });
    expect([early.status, early.json["code"]]).toEqual([422, "usage"]);
    await planned(id, ["confirmation", "approval"]);
    const seen = { state: "waiting", waitsFor: ["confirmation", "approval"], planIn: 3 };
    expect((await ask("GET", location, { role: "viewer" })).json).toMatchObject(seen);
    const { recoveries } = (await ask("GET", "/v1/recoveries", { role: "viewer" })).json as {
      recoveries: Record<string, unknown>[];
    };
    const listed = recoveries.find((one) => one["id"] === id)!;
    expect(listed).toMatchObject(seen);
    expect(Object.keys(listed).filter((name) => ["args", "plan"].includes(name))).toEqual([]);
    for (const [given, status] of [
      [{}, 400],
      [{ number: "3" }, 400],
      [{ number: 0 }, 400],
      [{ number: 3, sure: true }, 400],
      [{ number: 2 }, 422],
    ] as const) {
      expect([given, (await confirm("operator", given)).status]).toEqual([given, status]);
    }
    const confirmed = await confirm("admin", { number: 3, name: "shop.orders" });
    expect(confirmed.json).toMatchObject({
      state: "waiting",
      waitsFor: ["approval"],
      confirmedBy: { name: "the-admin", via: "api" },
      planIn: 3,
    });
    // Whoever has confirmed it is no second person.
    expect((await ask("POST", `${location}/approve`, { role: "admin" })).status).toBe(422);
    const approved = await ask("POST", `${location}/approve`, { role: "approver" });
    expect(approved.json).toMatchObject({ state: "planned", waitsFor: [] });
    expect((await confirm("operator", { number: 3 })).status).toBe(422);
    const over = (await audited()).filter(({ what }) => what === "recovery confirm");
    expect(over.map(({ outcome }) => outcome)).toContain("done");
    expect(over.find(({ outcome }) => outcome === "done")!.over).toEqual({
      id,
      number: "3",
      name: "shop.orders",
    });
  });

  test("that is a drill has no plan to confirm, and a confirmation is part of the request", async () => {
    const drill = { command: "drill", args: [], confirm: true };
    const asked = (given: object, key: string) =>
      ask("POST", "/v1/recoveries", {
        role: "operator",
        body: given,
        headers: { "idempotency-key": key },
      });
    expect((await asked(drill, "no plan")).status).toBe(422);
    const { status } = await ask("POST", "/v1/drills", {
      role: "operator",
      body: { args: [], confirm: true },
      headers: { "idempotency-key": "no plan" },
    });
    expect(status).toBe(400);
    expect((await asked(body, "with and without")).status).toBe(202);
    expect((await asked({ ...body, confirm: false }, "with and without")).status).toBe(202);
    expect((await asked({ ...body, confirm: true }, "with and without")).status).toBe(422);
  });

  test("without an Idempotency-Key, or of what may not be asked for, is refused", async () => {
    const bare = await ask("POST", "/v1/recoveries", { role: "operator", body });
    expect([bare.status, bare.json["code"]]).toEqual([400, "invalid"]);
    for (const args of [
      ["--report=/etc/passwd"],
      ["--target=rethinkdb://x"],
      ["--key=@/etc/passwd"],
    ]) {
      const given = { command: "restore", args };
      const { status } = await ask("POST", "/v1/recoveries", {
        role: "operator",
        body: given,
        headers,
      });
      expect([args, status]).toEqual([args, 422]);
    }
  });

  test("a drill is requested as one", async () => {
    const drill = { args: ["--latest"] };
    const made = await ask("POST", "/v1/drills", {
      role: "operator",
      body: drill,
      headers: { "idempotency-key": "d" },
    });
    expect(made.json).toMatchObject({ command: "drill", state: "planned" });
  });
});

describe("what is malformed", () => {
  const json = { "content-type": "application/json" };
  test.each([
    ["an unknown field", { text: "x", more: 1 }, {}, 400],
    ["a wrong type", { text: 1 }, {}, 400],
    ["no object", [1], {}, 400],
    ["no JSON", "{", json, 400],
    ["nothing", "", json, 400],
    ["a text that is too long", { text: "x".repeat(201) }, {}, 400],
    ["a byte that ends an argument", { text: "a\u0000b" }, {}, 400],
    ["an oversized body", { text: "x".repeat(70_000) }, {}, 413],
    ["another type", "text=x", { "content-type": "application/x-www-form-urlencoded" }, 415],
    ["a poisoned prototype", '{"text":"x","__proto__":{"a":1}}', json, 400],
  ])("%s", async (_, body, headers, status) => {
    const answer = await ask("POST", "/v1/marks", { role: "operator", body, headers });
    expect([answer.status, answer.json["status"]]).toEqual([status, status]);
    expect(served.defects).toEqual([]);
  });

  test.each(["/v1/tables/%zz", "/v1/tables/a", "/v1/audit?limit=-1", "/v1/points?table=a&table=b"])(
    "%s",
    async (url) => expect((await ask("GET", url, { role: "admin" })).status).toBe(400),
  );

  test("a value that looks like an option stays a value", async () => {
    const url = "/v1/tables/shop.orders/history?key=--help";
    expect((await ask("GET", url, { role: "operator" })).json["code"]).toBe("unknown");
    const from = "/v1/points?from=--all";
    expect((await ask("GET", from, { role: "operator" })).json["code"]).toBe("usage");
  });
});

describe("a page of another site", () => {
  test.each([
    ["evil.example", 421],
    ["evil.example:7070", 421],
    ["backup.example.com", 200],
    ["BACKUP.example.com:7070", 200],
    ["localhost:7070", 200],
    ["127.0.0.1", 200],
    ["[::1]:7070", 200],
  ])("that leads the name %s here", async (host, status) => {
    expect((await ask("GET", "/v1/marks", { role: "viewer", headers: { host } })).status).toBe(
      status,
    );
  });

  test("is refused by its origin, and our own is not", async () => {
    const host = "localhost:7070";
    const from = async (origin: string, more: Record<string, string> = {}) =>
      (await ask("GET", "/v1/marks", { role: "viewer", headers: { host, origin, ...more } }))
        .status;
    expect(await from("http://evil.example")).toBe(403);
    expect(await from("null")).toBe(403);
    expect(await from("http://localhost:7070")).toBe(200);
    // Behind a proxy that does TLS.
    expect(await from("https://localhost:7070")).toBe(200);
    expect(await from("https://backup.example.com")).toBe(200);
    const bySite = (site: string) => from("https://localhost:7070", { "sec-fetch-site": site });
    expect([await bySite("same-origin"), await bySite("cross-site")]).toEqual([200, 403]);
  });
});

test("probes need no token and no name, and say nothing of tables", async () => {
  const headers = { host: "pod-7.internal" };
  for (const url of ["/livez", "/readyz", "/healthz"]) {
    expect([url, (await ask("GET", url, { headers })).status]).toEqual([url, 200]);
  }
  const observer = served.facts.observer(0);
  observer.begins!();
  observer.state!({ id: "t", db: "secret", name: "orders" } as never, "stopped", {
    reason: "boom",
  });
  const { status, json, text } = await ask("GET", "/healthz", { headers });
  expect([status, json["wrong"]]).toEqual([
    503,
    [
      {
        fault: "stopped",
        what: "tables are stopped by a defect",
        since: expect.any(String),
        tables: 1,
      },
    ],
  ]);
  expect(text).not.toMatch(/secret|orders|boom/);
  // The same as metrics and alerts have.
  served.facts.failed("drill", new Error("shop.orders differs"));
  served.clock.nowMs = Date.now() + 300_000;
  const later = await ask("GET", "/healthz");
  const faults = (later.json["wrong"] as { fault: string }[]).map(({ fault }) => fault);
  const known = healthOf(served.facts, served.clock.nowMs).wrong.map(({ what }) => what);
  expect(faults).toEqual(known);
  expect(faults).toEqual(["store", "stopped", "drill"]);
  expect(later.text).not.toMatch(/secret|orders|boom|differs/);
  expect((await ask("GET", "/livez")).status).toBe(200);
  served.clock.nowMs = undefined;
});

test("what is no HTTP is answered with a problem, and the connection closed", async () => {
  await served.app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = served.app.server.address() as AddressInfo;
  const answered = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("no http\r\n\r\n"));
    let text = "";
    socket.on("data", (bytes) => (text += bytes.toString()));
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
  expect(answered).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*"code":"invalid"/s);
});

test("alarms are listed, silenced, and told of again", async () => {
  const nothing = await ask("GET", "/v1/alarms", { role: "viewer" });
  expect([nothing.status, nothing.json]).toEqual([
    200,
    { open: [], silences: [], undelivered: {} },
  ]);
  const body = { what: "behind", for: "1h", reason: "known" };
  const refused = await ask("POST", "/v1/silences", { role: "viewer", body });
  expect(refused.status).toBe(403);
  const made = await ask("POST", "/v1/silences", { role: "operator", body });
  expect([made.status, made.headers["location"]]).toEqual([201, "/v1/silences/behind"]);
  const unknown = await ask("POST", "/v1/silences", {
    role: "operator",
    body: { ...body, what: "no-such-kind" },
  });
  expect(unknown.status).toBe(422);
  const ended = await ask("DELETE", "/v1/silences/behind", { role: "operator" });
  expect([ended.status, ended.json]).toMatchObject([200, { what: "behind", reason: "known" }]);
  expect((await audited()).map(({ what }) => what)).toEqual(
    expect.arrayContaining(["alarm silence", "alarm unsilence"]),
  );
});

test("an assistant asks by the API's own tokens, and a viewer's sees no document", async () => {
  const call = (name: string, args: object) => ({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name, arguments: args },
  });
  const headers = { accept: "application/json, text/event-stream" };
  const asks = async (role: Role, body: object) =>
    (await ask("POST", "/mcp", { role, headers, body })).text;
  expect((await ask("POST", "/mcp", { headers, body: call("status", {}) })).status).toBe(401);
  expect(await asks("viewer", call("status", {}))).toContain("restorableUntil");
  const show = call("show", { table: "shop.orders", key: `${planted}-1`, at: served.before });
  expect(await asks("viewer", show)).not.toContain(planted);
  expect(await asks("operator", show)).toContain(planted);
});
