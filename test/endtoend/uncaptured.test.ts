/** Whole processes that share lanes and cannot begin to capture: a probe and an alarm tell it, and that it is over. */

import { readFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Letter } from "../../src/alarms/letter.js";
import { freePort, RedisServer } from "../server/redis-server.js";
import { toldBy } from "./alarm-receiver.js";
import { cli } from "./cli.js";
import { Stage, stop, until } from "./stage.js";

let stage: Stage;
let redis: RedisServer;
beforeAll(async () => {
  [stage, redis] = await Promise.all([Stage.open(), RedisServer.start()]);
});
afterAll(() => Promise.all([stage.close(), redis.stop()]));

/** A way to the server that lets the first connection through, and then none until it is opened. */
class FirstOnly {
  isOpen = true;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  constructor(private readonly to: { host: string; port: number }) {
    this.server = createServer((socket) => this.take(socket));
  }

  async listen(): Promise<string> {
    const port = await freePort();
    await new Promise<void>((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    return `rethinkdb://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(socket: Socket): void {
    socket.on("error", () => undefined);
    if (!this.isOpen) return void socket.destroy();
    this.isOpen = this.sockets.size > 0;
    const there = connect(this.to);
    there.on("error", () => undefined);
    for (const [one, other] of [
      [socket, there],
      [there, socket],
    ] as const) {
      this.sockets.add(one);
      one.pipe(other);
      one.on("close", () => other.destroy());
    }
  }
}

interface Health {
  healthy: boolean;
  wrong: { fault: string }[];
}

test.each([
  ["the only lane by Redis", 1],
  ["several lanes by Redis", 2],
])(
  "a sole process that shares %s, and loses the source before it captures",
  async (_, lanes) => {
    const way = new FirstOnly(stage.server);
    const source = await way.listen();
    stage.onClose(() => way.close());
    const repo = stage.repo(`shared-by-${lanes}`);
    const letters = stage.repo(`letters-of-${lanes}`);
    expect((await stage.backUp(repo)).status).toBe(0);
    if (lanes > 1) {
      expect((await cli(["lanes", "set", `${lanes}`, "--repo", repo])).status).toBe(0);
    }
    const port = await freePort();
    const telling = ["--alarm-command", `cat >> ${letters}`, "--api", `127.0.0.1:${port}`];
    const ways = ["--source", source, "--redis", redis.address];
    const running = stage.capture(repo, ...ways, ...telling);
    const health = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/healthz`);
      return { status: answer.status, ...((await answer.json()) as Health) };
    };
    const told = async () => {
      const text = await readFile(letters, "utf8").catch(() => "");
      return toldBy(text.split("\n").flatMap((line) => (line ? [JSON.parse(line) as Letter] : [])));
    };
    await until("the capture cannot begin", () => running.stderr().includes("cannot go on yet"));
    expect((await health()).status).toBe(200);
    const isIll = async () => (await health()).status === 503;
    await until("it is unhealthy", isIll, 90_000).catch((error: Error) => {
      throw new Error(`${error.message}; it says:\n${running.stderr()}`);
    });
    expect((await health()).wrong.map(({ fault }) => fault)).toEqual(["capture"]);
    await until("the alarm is raised", async () => (await told()).length > 0);
    expect(await told()).toEqual(["raised capture-down"]);
    way.isOpen = true;
    const isWell = async () => (await health()).status === 200;
    await until("it is healthy", isWell, 150_000);
    await until("the alarm's end is told", async () => (await told()).length > 1, 60_000);
    expect(await told()).toEqual(["raised capture-down", "ended capture-down"]);
    expect((await stop(running)).status).toBe(0);
  },
  400_000,
);
