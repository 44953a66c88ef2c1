/** Streams of events, which are resumed by id; and clients that are slow, or too many, or still there at the end. */
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { BoundedCommands } from "../../src/api/bounded-commands.js";
import { followRecovery } from "../../src/api/recovery-events.js";
import type { Surroundings } from "../../src/api/route.js";
import { type Clock, systemClock } from "../../src/clock.js";
import type { PrintedCommands } from "../../src/commands.js";
import { localWaker } from "../../src/coordination/wake.js";
import { nextEvent } from "../../src/recoveries/changes.js";
import { putEvent } from "../../src/recoveries/events.js";
import {
  cancel,
  confirm,
  createRecovery,
  eventsOf,
  lastEvent,
} from "../../src/recoveries/recoveries.js";
import { createToken, revokeToken } from "../../src/repository/registers/tokens.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { planted, type Served, serveRecorded } from "./served.js";

const anna = { name: "anna", via: "api" as const };
const undo = { command: "undo", args: ["shop.orders", `--key=${planted}-6`], by: anna };

/** Waits are twenty times as short. */
const fast: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) };

async function listening(given: Parameters<typeof serveRecorded>[0] = {}) {
  const served = await serveRecorded(given);
  const base = await served.app.listen({ host: "127.0.0.1", port: 0 });
  return { served, base, port: (served.app.server.address() as AddressInfo).port };
}

/** What is sent until the stream ends, or `until` is in it. */
async function read(response: Response, until?: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (until !== undefined && text.includes(until)) break;
  }
  return text;
}

const stream = (base: string, served: Served, id: string, headers: Record<string, string> = {}) =>
  fetch(`${base}/v1/recoveries/${id}/events`, {
    headers: { authorization: `Bearer ${served.tokens.operator}`, ...headers },
  });

test("a recovery is followed to its end, from where a client was", async () => {
  const { served, base } = await listening();
  const { id } = await createRecovery(served.store, systemClock, undo);
  const first = await stream(base, served, id);
  expect(first.headers.get("content-type")).toBe("text/event-stream");
  expect((await read(first, "\nid: 1")) + "").toMatch(
    /^retry: \d+\n\nid: 1\nevent: change\ndata: \{.*\n\n$/,
  );

  const again = await stream(base, served, id, { "last-event-id": "1" });
  const told = read(again);
  await cancel(served.store, systemClock, id, anna);
  served.waker.wake("recoveries");
  const text = await told;
  expect(text).not.toContain("id: 1\n");
  expect(text).toMatch(/id: 2\nevent: change\ndata: \{.*"state":"cancelled".*\}\n\n$/);
  expect((await stream(base, served, id, { "last-event-id": "2" })).status).toBe(204);
  const whole = await read(await stream(base, served, id, { "last-event-id": "nonsense" }));
  expect(whole.match(/^id: \d+$/gm)).toEqual(["id: 1", "id: 2"]);
  expect((await stream(base, served, "00000000")).status).toBe(404);
  const headers = { authorization: `Bearer ${served.tokens.viewer}` };
  const seen = await fetch(`${base}/v1/recoveries/${id}/events`, { headers });
  expect(await read(seen)).not.toContain(planted);
  await served.close();
});

test("whoever follows a recovery is told what its plan waits for, and a viewer too", async () => {
  const { served, base } = await listening();
  const { id } = await createRecovery(served.store, systemClock, { ...undo, confirm: true });
  const worker = { unique: "w1", host: "h", process: 1, space: "h", silentMs: 30_000 };
  const plan = { summary: { key: planted }, args: [], parts: [] };
  for (const change of [
    { kind: "claim", worker },
    { kind: "plan", plan, waitsFor: ["confirmation", "approval"] },
  ] as const) {
    const last = (await lastEvent(served.store, id))!;
    const by = { name: "w1", via: "worker" } as const;
    expect(await putEvent(served.store, nextEvent(last, change, by, Date.now()))).toBe(true);
  }
  await confirm(served.store, systemClock, id, anna, 3);
  await cancel(served.store, systemClock, id, anna);
  for (const role of ["viewer", "operator"] as const) {
    const headers = { authorization: `Bearer ${served.tokens[role]}` };
    const text = await read(await fetch(`${base}/v1/recoveries/${id}/events`, { headers }));
    const told = [...text.matchAll(/^data: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data!) as { state: string; waitsFor?: string[] },
    );
    expect(told.map(({ state, waitsFor }) => [state, waitsFor])).toEqual([
      ["planned", undefined],
      ["planned", undefined],
      ["waiting", ["confirmation", "approval"]],
      ["waiting", ["approval"]],
      ["cancelled", undefined],
    ]);
    expect(text.includes(planted)).toBe(role === "operator");
  }
  await served.close();
});

test("while nothing happens, a comment comes every 15 s", async () => {
  const store = new MemoryStore();
  let ms = 0;
  const sleep = (more: number) => {
    ms += more;
    return Promise.resolve();
  };
  const clock: Clock = { now: () => 1e12 + ms, monotonicMs: () => ms, sleep };
  const { id } = await createRecovery(store, clock, undo);
  const comments: number[] = [];
  const send = (text: string) => {
    if (text === ":\n\n") comments.push(ms);
    return comments.length === 3 ? Promise.reject(new Error("enough")) : Promise.resolve();
  };
  const around = { store, clock, waker: localWaker() } as unknown as Surroundings;
  const to = { send, signal: new AbortController().signal };
  await expect(followRecovery(id, 0, true, around, to)).rejects.toThrow("enough");
  for (const [i, at] of comments.entries()) {
    expect(at - (comments[i - 1] ?? 0)).toBeLessThanOrEqual(17_000);
  }
});

test("a reader that takes nothing is left, and its connection closed", async () => {
  const { served, port } = await listening({ clock: fast });
  const { id } = await createRecovery(served.store, systemClock, undo);
  const [first] = await eventsOf(served.store, id, 0);
  const large = "x".repeat(4 * 1024 * 1024);
  for (const number of [2, 3, 4, 5]) {
    const { request: _, ...rest } = first!;
    const said = {
      ...rest,
      number,
      state: "running" as const,
      progress: { share: null, text: large },
    };
    expect(await putEvent(served.store, said)).toBe(true);
  }
  const socket = connect(port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => undefined);
  const head = `GET /v1/recoveries/${id}/events HTTP/1.1\r\nhost: localhost\r\n`;
  socket.write(`${head}authorization: Bearer ${served.tokens.operator}\r\n\r\n`);
  socket.pause();
  const connections = () =>
    new Promise<number>((resolve) => served.app.server.getConnections((_, n) => resolve(n)));
  await expect.poll(connections, { timeout: 5000 }).toBe(1);
  await expect.poll(connections, { timeout: 10_000 }).toBe(0);
  socket.resume();
  await closed;
  await served.close();
}, 30_000);

test("a stream ends when its token is revoked, and tells nothing more", async () => {
  const { served, base } = await listening();
  const { id } = await createRecovery(served.store, systemClock, undo);
  const request = { name: "gone", role: "operator" as const, expiresAt: undefined };
  const { token, text } = await createToken(served.store, request, Date.now());
  const headers = { authorization: `Bearer ${text}` };
  const open = () => fetch(`${base}/v1/recoveries/${id}/events`, { headers });
  let followed = await open();
  while (followed.status === 401) followed = await open();
  let told = "";
  const ended = (async () => {
    for await (const chunk of followed.body!) told += Buffer.from(chunk as Uint8Array).toString();
  })().catch(() => undefined);
  await expect.poll(() => told).toContain("\nid: 1\n");
  await revokeToken(served.store, token.id, Date.now());
  const refused = async () => (await fetch(`${base}/v1/marks`, { headers })).status;
  await expect.poll(refused, { timeout: 5000, interval: 200 }).toBe(401);
  await cancel(served.store, systemClock, id, anna);
  served.waker.wake("recoveries");
  await ended;
  expect(told).not.toContain("id: 2\n");
  await served.close();
}, 20_000);

test("one token has eight streams at most, and the rest when one has ended", async () => {
  const { served, base } = await listening({ clock: fast });
  const { id } = await createRecovery(served.store, systemClock, undo);
  const open = await Promise.all(Array.from({ length: 8 }, () => stream(base, served, id)));
  expect(open.map(({ status }) => status)).toEqual(Array(8).fill(200));
  const ninth = await stream(base, served, id);
  expect([ninth.status, ninth.headers.get("retry-after")]).toEqual([429, "2"]);
  await open[0]!.body!.cancel();
  await expect
    .poll(
      async () => {
        const next = await stream(base, served, id);
        await next.body!.cancel();
        return next.status;
      },
      { timeout: 5000 },
    )
    .toBe(200);
  await served.close();
});

test("a request that is sent too slowly is answered with 408, and closed", async () => {
  const { served, port } = await listening({ requestMsMax: 400 });
  for (const begun of [
    "GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ",
    "POST /v1/marks HTTP/1.1\r\n",
  ]) {
    const answered = await new Promise<string>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(begun));
      let text = "";
      socket.on("data", (bytes) => (text += bytes.toString()));
      socket.on("close", () => resolve(text));
    });
    expect(answered).toMatch(/^HTTP\/1\.1 408 .*"code":"timeout"/s);
  }
  await served.close();
});

test("a client that was refused keeps no place by leaving its end open", async () => {
  const { served, port } = await listening({ requestMsMax: 400 });
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  const connections = () =>
    new Promise<number>((resolve) => served.app.server.getConnections((_, n) => resolve(n)));
  await expect.poll(connections).toBe(1);
  const text = await new Promise<string>((resolve) =>
    socket.once("data", (bytes) => resolve(bytes.toString())),
  );
  expect(text).toContain('"code":"timeout"');
  await expect.poll(connections).toBe(0);
  socket.destroy();
  await served.close();
});

test("connections that wait for another request make room for a probe", async () => {
  const { served, base, port } = await listening();
  served.app.server.maxConnections = 5;
  const idle = Array.from({ length: 5 }, () => connect(port, "127.0.0.1"));
  for (const socket of idle) {
    socket.on("error", () => undefined);
    socket.write("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await new Promise((resolve) => socket.once("data", resolve));
  }
  const probe = () =>
    fetch(`${base}/livez`).then(
      ({ status }) => status,
      () => "refused",
    );
  await expect.poll(probe, { timeout: 3000 }).toBe(200);
  for (const socket of idle) socket.destroy();
  await served.close();
});

test("at the end streams end, and a request under way is answered", async () => {
  let answer: ((text: Buffer) => void) | undefined;
  const slow: PrintedCommands = {
    run: () => Promise.reject(new Error("not asked for")),
    print: () => new Promise((resolve) => (answer = resolve)),
  };
  const { served, base } = await listening({ commands: slow, clock: fast });
  const { id } = await createRecovery(served.store, systemClock, undo);
  const followed = (await stream(base, served, id)).text().catch(() => "cut");
  const headers = { authorization: `Bearer ${served.tokens.operator}` };
  const url = `${base}/v1/tables/shop.orders/history?key=x`;
  const asked = fetch(url, { headers });
  await expect.poll(() => answer).toBeDefined();
  await systemClock.sleep(200);
  const ended = served.end();
  answer!(Buffer.from('{"slow":true}'));
  expect(await (await asked).json()).toEqual({ slow: true });
  served.ending.abort(new Error("ends"));
  await ended;
  await followed;
  await expect(fetch(`${base}/livez`)).rejects.toThrow();
  await served.close().catch(() => undefined);
});

test("commands: two at once, a few wait, cheap ones are shared, and one caller has four at most", async () => {
  const open: ((text: Buffer) => void)[] = [];
  const commands: PrintedCommands = {
    run: () => Promise.reject(new Error("not asked for")),
    print: (_, { signal }) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
        open.push(resolve);
      }),
  };
  const never = new AbortController().signal;
  const bounded = new BoundedCommands(commands, systemClock, never);
  const caller = (id: string) => ({ id, name: id, role: "operator" as const });
  const ask = (id: string, signal = new AbortController().signal) =>
    bounded.print(["x"], caller(id), signal);
  const four = [1, 2, 3, 4].map(() => ask("a"));
  await expect(ask("a")).rejects.toMatchObject({ code: "too-many" });
  expect(open).toHaveLength(2);
  const shared = [bounded.sharedResult(["status"]), bounded.sharedResult(["status"])];
  const gone = new AbortController();
  const left = ask("b", gone.signal);
  gone.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  const many = Array.from({ length: 13 }, (_, i) => ask(`c${i % 5}`));
  await expect(ask("d")).rejects.toMatchObject({ code: "busy" });
  for (let i = 0; i < 18; i += 1) {
    await expect.poll(() => open.length).toBeGreaterThan(i);
    open[i]!(Buffer.from(`{"n":${i}}`));
  }
  const results = await Promise.all(shared);
  expect(results[0]).toBe(results[1]);
  expect(await bounded.sharedResult(["status"])).toBe(results[0]);
  await Promise.all([...four, ...many]);
  expect(open).toHaveLength(18);
});
