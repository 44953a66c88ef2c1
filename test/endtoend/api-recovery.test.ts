/**
 * A recovery that is requested by HTTP of one process and carried out by another, which is killed amidst, while a client
 * that reconnects again and again follows it.
 */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { eventsOf } from "../../src/recoveries/recoveries.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cliJson, type Running, start } from "./cli.js";
import { kill, nextInstant, Stage, until } from "./stage.js";

vi.setConfig({ testTimeout: 300_000 });

const documents = 6000;
const orders = r.db("shop").table("orders");

let stage: Stage;
let repo: string;
let worker: Running;
let api: Running;
let base: string;
let before: Map<string, string>;
let then: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  for (let from = 0; from < documents; from += 2000) {
    const some = Array.from({ length: 2000 }, (_, i) => ({ id: from + i, status: "open" }));
    await stage.query(orders.insert(some, { durability: "soft" }));
  }
  worker = stage.capture(repo, "--recoveries");
  await stage.untilExactNow(repo, "shop.orders");
  before = await stage.texts("shop", "orders");
  then = new Date(await nextInstant(300)).toISOString();
  await stage.query(orders.update({ status: "bad" }, { durability: "soft" }));
  await stage.untilExactNow(repo, "shop.orders");
  await serve("0");
}, 120_000);

afterAll(async () => {
  await kill(api);
  await stage.close();
});

/** A process that serves, and has no source. */
async function serve(port: string): Promise<void> {
  api = start(["run", "--role=api", "--repo", repo, "--api", `127.0.0.1:${port}`]);
  await until("the API is served", () => /"api":"http/.test(api.stderr()));
  base = /"api":"([^"]+)"/.exec(api.stderr())![1]!;
}

async function tokenOf(name: string, role: string): Promise<string> {
  const words = ["token", "create", name, "--role", role, "--repo", repo];
  return (await cliJson<{ token: string }>(words)).token;
}

async function ask(token: string, method: string, path: string, more: RequestInit = {}) {
  const headers = { authorization: `Bearer ${token}`, ...(more.headers as object) };
  const answer = await fetch(base + path, { ...more, method, headers });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const request = (token: string, key: string, command: string, args: string[]) =>
  ask(token, "POST", "/v1/recoveries", {
    headers: { "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ command, args }),
  });

interface Event {
  id: number;
  state: string;
  share: number;
}

/** The events after one, until `enough` says so or the server ends; then the client goes away. */
async function follow(
  token: string,
  id: string,
  after: number,
  enough: (event: Event) => boolean,
): Promise<Event[]> {
  const gone = new AbortController();
  const found: Event[] = [];
  try {
    const answer = await fetch(`${base}/v1/recoveries/${id}/events`, {
      headers: { authorization: `Bearer ${token}`, "last-event-id": String(after) },
      signal: gone.signal,
    });
    let text = "";
    for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        const field = (name: string) => new RegExp(`^${name}: ?(.*)$`, "m").exec(block)?.[1];
        const data = field("data");
        if (data === undefined) continue;
        const told = JSON.parse(data) as { state: string; progress?: { share?: number | null } };
        const event = {
          id: Number(field("id")),
          state: told.state,
          share: told.progress?.share ?? 0,
        };
        found.push(event);
        if (enough(event)) return found;
      }
    }
  } catch {
    // The server has ended.
  } finally {
    gone.abort();
  }
  return found;
}

test("one execution, no event missed, though worker, server and client end amidst", async () => {
  const ann = await tokenOf("ann", "operator");
  const args = [`--at=${then}`, "--table=shop.orders", "--beside", "--max-rate=1500"];
  const both = await Promise.all([1, 2].map(() => request(ann, "ticket-1", "restore", args)));
  expect(both.map(({ status }) => status)).toEqual([202, 202]);
  const id = both[0]!.body["id"] as string;
  expect(both[1]!.body["id"]).toBe(id);
  const events = await follow(ann, id, 0, ({ share }) => share >= 0.3);
  await kill(worker);
  const port = new URL(base).port;
  await kill(api);
  worker = stage.capture(repo, "--recoveries");
  await serve(port);
  const isOver = ({ state }: Event) => ["done", "failed", "parked"].includes(state);
  // Each time it goes away after three events.
  while (!events.some(isOver)) {
    let count = 0;
    const more = await follow(ann, id, events.at(-1)?.id ?? 0, (event) => {
      count += 1;
      return count === 3 || isOver(event);
    });
    events.push(...more);
  }
  expect(events.at(-1)!.state).toBe("done");
  const stored = await eventsOf(new DirectoryStore(repo), id, 0);
  expect(events.map((event) => event.id)).toEqual(stored.map(({ number }) => number));
  expect(stored.filter(({ state }) => state === "done")).toHaveLength(1);
  const { body } = await ask(ann, "GET", `/v1/recoveries/${id}`);
  const { restored } = body["result"] as { restored: { to: string; already: number }[] };
  expect(restored[0]!.already).toBeGreaterThan(0);
  const [db, name] = restored[0]!.to.split(".") as [string, string];
  expect(await stage.texts(db, name)).toEqual(before);
});

test("whoever requests a change of live data cannot approve it, by whatever role", async () => {
  const [ann, eve, bob] = await Promise.all([
    tokenOf("ann2", "operator"),
    tokenOf("eve", "admin"),
    tokenOf("bob", "approver"),
  ]);
  const args = ["shop.orders", `--at=${then}`];
  const { body } = await request(eve, "ticket-2", "rewind", args);
  const id = body["id"] as string;
  const state = async () => (await ask(bob, "GET", `/v1/recoveries/${id}`)).body["state"];
  await until("it waits", async () => (await state()) === "waiting", 150_000);
  const approve = (token: string) => ask(token, "POST", `/v1/recoveries/${id}/approve`);
  expect((await approve(ann)).status).toBe(403);
  const own = await approve(eve);
  expect(own.status).toBeGreaterThanOrEqual(400);
  expect(own.status).toBeLessThan(500);
  expect(await state()).toBe("waiting");
  expect((await approve(bob)).status).toBe(200);
  await until("it is done", async () => (await state()) === "done", 150_000);
  expect(await stage.texts("shop", "orders")).toEqual(before);
});
