/** What a capture says of its requests, and of being the only writer, is what `status` shows. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { sentLines } from "../../src/cli/store-use-text.js";
import { listClaims } from "../../src/repository/log/claims.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { noUse, type StoreUse } from "../../src/storage/store-use.js";
import { Server } from "../restore/captured.js";
import { r } from "../server/driver.js";

let server: Server;
let repo: string;

beforeAll(async () => {
  process.setMaxListeners(0);
  server = await Server.start();
  repo = await mkdtemp(join(tmpdir(), "thinkback-requests-"));
  await server.query(r.dbCreate("shop"));
  await server.query(r.db("shop").tableCreate("orders"));
});

afterAll(async () => {
  await server.stop();
  await rm(repo, { recursive: true, force: true });
});

async function json(...args: string[]): Promise<Record<string, unknown>> {
  let stdout = "";
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (stdout += Buffer.from(text).toString()) },
    stderr: { write: () => undefined },
  };
  expect(await runCommandLine([...args, "--repo", repo, "--json"], streams)).toBe(0);
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("a run states its requests in its log and at its end, and who vouched for it", async () => {
  const begin = ["run", "--source", server.address, "--once", "--log-level", "error"];
  const ended = (await json(...begin, "--single-writer"))["requests"] as StoreUse;
  const status = await json("status");
  expect(status["singleWriter"]).toBe(true);
  const [lane] = status["lanes"] as { requests: StoreUse & { since: string } }[];
  const { since, ...stated } = lane!.requests;
  expect(Date.parse(since)).toBeGreaterThan(Date.now() - 60_000);
  expect(stated.puts).toBeGreaterThan(0);
  expect(stated.puts).toBeLessThanOrEqual(ended.puts);
  expect(ended.bytesUp).toBeGreaterThan(stated.bytesUp);
  await json(...begin);
  expect((await json("status"))["singleWriter"]).toBe(false);
  const claims = await listClaims(new DirectoryStore(repo));
  expect(claims.map(({ singleWriter }) => singleWriter)).toEqual([true, undefined]);
});

test("commands say what they have sent", async () => {
  for (const command of ["maintain", "fold", "expire"]) {
    const { requests } = await json(command);
    expect((requests as StoreUse).puts, command).toBeGreaterThan(0);
    expect((requests as StoreUse).lists, command).toBeGreaterThan(0);
  }
});

test("plan estimates a month and a restore in the prices of a bucket", async () => {
  const planned = await json("plan", "--profile", "aws-s3-standard");
  const { month, restore, keep } = planned as {
    month: { total: number; requests: { put: number } };
    restore: { total: number; seconds: number };
    keep: string;
  };
  expect(keep).toBe("all:forever");
  expect(month.requests.put).toBeGreaterThan(43_000);
  expect(month.total).toBeGreaterThan(0.2);
  expect(month.total).toBeLessThan(3);
  expect(restore.total).toBeGreaterThan(0);
  expect((await json("plan"))["month"]).toBeUndefined();
});

test("a process that captures several lanes is counted once", () => {
  const lane = {
    inUse: true,
    capture: { state: "running", heardOf: 1 },
    lastSegment: 1,
    tables: 1,
  };
  const of = (number: number, process: number, puts: number) => ({
    ...lane,
    lane: number,
    capture: { state: "running" as const, heardOf: 1 },
    writer: { host: "alpha", process },
    head: undefined,
    requests: { since: 0, ...noUse, puts },
  });
  const lines = sentLines([of(0, 7, 10), of(1, 7, 12), of(2, 8, 3)]);
  expect(lines.map((line) => line.replace(/ PUT.*since.* by/, " by"))).toEqual([
    "requests: 12 by process 7 on alpha",
    "requests: 3 by process 8 on alpha",
  ]);
});
