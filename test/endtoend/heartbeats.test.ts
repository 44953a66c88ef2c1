/**
 * The heartbeat of a process that captures a real server: it stops when the store is away for more than a minute, goes
 * on with it, and stops when the process is killed.
 */
import { rename, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { kill, Stage, until } from "./stage.js";

let stage: Stage;
let monitor: Server;
/** When it heard what. */
const heard: { at: number; asked: string }[] = [];
let answers = 204;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  monitor = createServer((request, response) => {
    heard.push({ at: Date.now(), asked: `${request.method} ${request.url}` });
    response.writeHead(answers).end();
  });
  await new Promise<void>((resolve) => monitor.listen(0, "127.0.0.1", resolve));
});

afterAll(async () => {
  monitor.close();
  await stage.close();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("it stops while the store is away and when the process is killed, and never repeats its secret", async () => {
  const { port } = monitor.address() as AddressInfo;
  const file = stage.repo("heartbeat");
  await writeFile(file, `http://127.0.0.1:${port}/ping/S3cret\n`, { mode: 0o600 });
  const repo = stage.repo("repository");
  answers = 500;
  const spool = ["--spool", stage.repo("spool")];
  const running = stage.capture(
    repo,
    "--include",
    "shop.*",
    ...spool,
    "--heartbeat-url-file",
    file,
  );
  await until("the first heartbeat", () => heard.length === 1);
  expect(heard[0]!.asked).toBe("GET /ping/S3cret");
  await until("that is refused", () => running.stderr().includes("answered with status 500"));
  answers = 204;
  await until("the second one", () => heard.length === 2, 70_000);
  expect(heard[1]!.at - heard[0]!.at).toBeGreaterThan(59_000);
  await until("it is taken", () => running.stderr().includes("takes heartbeats again"));

  await rename(repo, `${repo}.away`);
  await until("the outage is noticed", () => running.stderr().includes("store fails"));
  const away = Date.now();
  // One more may come, within the minute that is not called wrong.
  await pause(130_000);
  expect(heard.filter(({ at }) => at > away + 61_000)).toEqual([]);
  const before = heard.length;
  await rename(`${repo}.away`, repo);
  await until("it goes on", () => heard.length > before, 40_000);

  await kill(running);
  const killed = heard.length;
  await pause(62_000);
  expect(heard.length).toBe(killed);
  expect(running.stderr()).not.toContain("S3cret");
}, 400_000);
