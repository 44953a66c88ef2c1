/**
 * Captures go on in each other's place, under writers that write without a pause: no gap, no wrong instant, and an
 * unbroken chain. By itself (`npm run test:long`) there are ten hand-overs in a row, and then some with 300 tables.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { type DriverConnection, r } from "../server/driver.js";
import { type Running, status } from "./cli.js";
import { brokenChains, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { deliveryMs, Stage, stop, tableOf } from "./stage.js";
import { Writer } from "./workload.js";

const handovers = whyNotLong === undefined ? 10 : 1;
const instants = 20;
const documents = 2000;
const name = "shop.orders";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

/** Starts captures one after another, each in the place of the one before; returns the last one. */
async function handOver(repo: string, times: number, ...tables: string[]): Promise<Running> {
  let running = stage.capture(repo);
  await stage.untilExactNow(repo, ...tables);
  for (let i = 0; i < times; i += 1) {
    const next = stage.capture(repo, "--take-over");
    const { status: code, stderr } = await running.finished;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/another process goes on/);
    running = next;
    await stage.untilExactNow(repo, ...tables);
  }
  return running;
}

async function writers(
  ledger: Ledger,
): Promise<{ connections: DriverConnection[]; all: Writer[] }> {
  const connections = [await stage.connect(), await stage.connect()];
  const all = connections.map(
    (connection, writer) =>
      new Writer(connection, {
        db: "shop",
        table: "orders",
        writer,
        documents: documents / 2,
        seed: 11 + writer,
        ledger,
      }),
  );
  return { connections, all };
}

test(`${handovers} hand-overs under two writers leave no gap, and every exact instant is right`, async () => {
  const ledger = new Ledger();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const { connections, all } = await writers(ledger);
  await Promise.all(all.map((writer) => writer.load()));
  const repo = stage.repo("repo");
  const ended = new AbortController();
  const writing = Promise.all(all.map((writer) => writer.write(ended.signal, 0)));
  const began = Date.now();
  const last = await handOver(repo, handovers, name);
  const until = Date.now();
  ended.abort();
  await writing;
  await Promise.all(connections.map((connection) => connection.close()));
  await stage.untilExactNow(repo, name);
  expect((await stop(last)).status).toBe(0);

  const now = await status(repo);
  const { intervals } = tableOf(now, name)!;
  const late = intervals.filter((one) => one.class === "late");
  const isWhole = ({ class: is }: { class: string }) => is === "exact" || is === "late";
  expect(intervals.filter((one) => !isWhole(one))).toEqual([]);
  expect(now.catalog!.intervals.filter((one) => !isWhole(one))).toEqual([]);
  const verdict = await judge(repo, name, ledger, spread(began, until, instants));
  expect(verdict.wrong).toEqual([]);
  expect(verdict.exact + verdict.late).toBeGreaterThan(instants / 2);
  expect(await brokenChains(repo)).toEqual([]);
  process.stdout.write(
    `${handovers} hand-overs in ${((until - began) / 1000).toFixed(0)} s: ${verdict.exact} exact instants and ` +
      `${verdict.late} late ones right; late: ${JSON.stringify(late)}\n`,
  );
}, 400_000);

test.skipIf(whyNotLong !== undefined)(
  "with 300 tables none has a gap",
  async () => {
    const names = Array.from({ length: 300 }, (_, i) => `t${i}`);
    await stage.query(r.dbCreate("many"));
    for (const one of names) await stage.query(r.db("many").tableCreate(one));
    for (const one of names) {
      await stage.query(r.db("many").table(one).insert({ id: 0 }));
    }
    const repo = stage.repo("many");
    const args = ["--include", "many.*", "--no-fold"];
    const first = stage.capture(repo, ...args);
    await stage.untilExact(repo, Date.now() + deliveryMs, ...names.map((one) => `many.${one}`));
    const ended = new AbortController();
    const writing = (async () => {
      for (let id = 1; !ended.signal.aborted; id += 1) {
        await stage.query(
          r
            .db("many")
            .table(names[id % 300]!)
            .insert({ id }, { conflict: "replace" }),
        );
      }
    })();
    const began = Date.now();
    const next = stage.capture(repo, ...args, "--take-over");
    expect((await first.finished).status).toBe(0);
    const handed = Date.now();
    await stage.untilExact(repo, Date.now(), ...names.map((one) => `many.${one}`));
    ended.abort();
    await writing;
    await stop(next);
    const { tables } = await status(repo);
    const many = tables.filter((one) => one.name.startsWith("many."));
    expect(many).toHaveLength(300);
    const gaps = many.filter(({ intervals }) =>
      intervals.some((one) => one.class !== "exact" && one.class !== "late"),
    );
    expect(gaps).toEqual([]);
    const lateMs = many.flatMap(({ intervals }) => intervals.map((one) => one.lateMs ?? 0));
    process.stdout.write(
      `300 tables: the first capture ended after ${((handed - began) / 1000).toFixed(1)} s; ` +
        `late by at most ${Math.max(...lateMs)} ms\n`,
    );
    expect(await brokenChains(repo)).toEqual([]);
  },
  600_000,
);
