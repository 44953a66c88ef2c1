/** A capture that stands still, as on a machine that is suspended or swaps, while its writers go on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { r } from "../server/driver.js";
import { type Running, status } from "./cli.js";
import { at, boundMs, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { nextInstant, Stage, stop, tableOf } from "./stage.js";
import { canonicalJson } from "./workload.js";

const name = "still.rows";
const keys = 20;

let stage: Stage;
const ledger = new Ledger();
const writing = new AbortController();
let written: Promise<void>;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("still"));
  await stage.query(r.db("still").tableCreate("rows"));
});

afterAll(async () => {
  writing.abort();
  await written;
  await stage.close();
});

/** Writes one key after the other, 50 writes a second at most. */
async function write(signal: AbortSignal): Promise<void> {
  const connection = await stage.connect();
  for (let version = 0; !signal.aborted; version += 1) {
    const document = { id: version % keys, version };
    const acknowledge = ledger.send(canonicalJson(document.id), canonicalJson(document), Date.now);
    await r.db("still").table("rows").insert(document, { conflict: "replace" }).run(connection);
    acknowledge();
    await nextInstant(20);
  }
  await connection.close();
}

/** Stops the capture's process for a while. */
async function standStill(capture: Running, ms: number): Promise<{ from: number; to: number }> {
  const from = Date.now();
  capture.process.kill("SIGSTOP");
  await nextInstant(ms);
  capture.process.kill("SIGCONT");
  return { from, to: Date.now() };
}

/** The longer one is run by `npm run test:long`. */
const standstillsMs = whyNotLong === undefined ? [10_000, 40_000] : [10_000];

test("what was written while a capture stood still is late by as much, and then all is exact", async () => {
  written = write(writing.signal);
  await Promise.all(standstillsMs.map((ms) => stoodStill(`still-${ms}`, ms)));
}, 180_000);

async function stoodStill(repository: string, ms: number): Promise<void> {
  const repo = stage.repo(repository);
  const capture = stage.capture(repo, "--include", "still.*");
  await stage.untilExactNow(repo, name);
  await nextInstant(3000);
  const { from, to } = await standStill(capture, ms);
  await stage.untilExact(repo, to + 4 * boundMs, name);
  expect((await stop(capture)).status).toBe(0);

  const { intervals } = tableOf(await status(repo), name)!;
  const classes = (instants: number[]) => instants.map((instant) => at(intervals, instant)?.class);
  // Up to the stop proofs were made; the first mark after it is one of after it went on.
  const within = spread(from + 1500, to - 1, 20);
  expect(classes(within)).toEqual(within.map(() => "late"));
  const { lateMs } = at(intervals, to - 1)!;
  expect(lateMs).toBeGreaterThan(to - from);
  expect(lateMs).toBeLessThan(to - from + 10_000);
  const after = spread(to + 2 * boundMs, to + 4 * boundMs, 10);
  expect(classes(after)).toEqual(after.map(() => "exact"));
  expect(intervals.filter((one) => one.class === "gap")).toEqual([]);

  const verdict = await judge(repo, name, ledger, spread(from - 3000, to + 4 * boundMs, 80));
  expect(verdict.wrong).toEqual([]);
  expect(verdict.exact).toBeGreaterThan(10);
  expect(verdict.late).toBeGreaterThan(10);
}
