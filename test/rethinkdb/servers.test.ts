import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { parseAddresses } from "../../src/rethinkdb/address.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { clusterDialer } from "../../src/rethinkdb/servers.js";
import type { TestServer } from "../server/find-server.js";
import { startServer } from "../server/find-server.js";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A port at which connections are accepted and nothing is answered, as by a process that stands still. */
async function silentPort(): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

/** A port at which nothing listens. */
async function closedPort(): Promise<number> {
  const port = await silentPort();
  await ends.pop()!();
  return port;
}

async function realServer(): Promise<TestServer> {
  const server = await startServer();
  ends.push(() => server.stop());
  return server;
}

function dialerOf(ports: number[]) {
  const used: string[] = [];
  const url = `rethinkdb://${ports.map((port) => `127.0.0.1:${port}`).join(",")}`;
  const dial = clusterDialer(parseAddresses([url]), "source", systemClock, (where) =>
    used.push(where),
  );
  return { dial, used };
}

const where = (port: number) => `rethinkdb://admin@127.0.0.1:${port}`;

test("a server that does not listen, and one that stands still, are passed over for one that answers", async () => {
  const { port } = await realServer();
  const { dial, used } = dialerOf([await closedPort(), await silentPort(), port]);
  const began = performance.now();
  const connection = new Connection(await dial());
  expect(performance.now() - began).toBeLessThan(9000);
  expect(used).toEqual([where(port)]);
  expect(connection.where).toBe(where(port));
  const again = new Connection(await dial());
  expect(used).toHaveLength(1);
  connection.close();
  again.close();
});

test("after a server has gone, or was given up, the next is used; and the first again when the next has gone too", async () => {
  const [first, second] = [await realServer(), await realServer()];
  const { dial, used } = dialerOf([first.port, second.port]);
  const connection = new Connection(await dial());
  connection.giveUp();
  const next = new Connection(await dial());
  expect(next.where).toBe(where(second.port));
  await second.stop();
  ends.pop();
  await next.lost;
  const last = new Connection(await dial());
  expect(last.where).toBe(where(first.port));
  expect(used).toEqual([first, second, first].map(({ port }) => where(port)));
  last.close();
});

test("a connection that is closed here says nothing of its server", async () => {
  const [first, second] = [await realServer(), await realServer()];
  const { dial } = dialerOf([first.port, second.port]);
  const connection = new Connection(await dial());
  connection.close();
  await connection.lost;
  const next = new Connection(await dial());
  expect(next.where).toBe(where(first.port));
  next.close();
});

test("another server than one that is named; none, if there is no other", async () => {
  const server = await realServer();
  const { dial } = dialerOf([server.port]);
  await expect(dial({ avoid: [where(server.port)] })).rejects.toThrow("there is no other server");
});

test("if none answers, the error names all that were tried", async () => {
  const ports = [await closedPort(), await closedPort()];
  const { dial } = dialerOf(ports);
  const error = await dial().catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: "source" });
  for (const port of ports) expect((error as Error).message).toContain(where(port));
});
