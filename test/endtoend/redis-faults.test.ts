/**
 * Three processes share three lanes by a real Redis, under writers without a pause, and everything befalls them and it:
 * no change is lost or doubled outside the gaps that the repository names, and no lane stays without a process.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { laneStore } from "../../src/repository/lanes.js";
import { listClaims } from "../../src/repository/log/claims.js";
import { memberRenewMs } from "../../src/repository/registers/members.js";
import { storeAt } from "../../src/storage/store-at.js";
import { r } from "../server/driver.js";
import { RedisServer } from "../server/redis-server.js";
import { cli, type Running } from "./cli.js";
import { brokenChains, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { machineNamed } from "./other-machine.js";
import { Stage, stop, tableOf, until } from "./stage.js";
import { Writer } from "./workload.js";

const tables = ["a", "b", "c", "d", "e", "f"];
const names = tables.map((table) => `shop.${table}`);
const lanes = [0, 1, 2];
/** By objects alone a process of another machine is not taken for gone any sooner. */
const takeOverMsMax = 3 * memberRenewMs;

let stage: Stage;
let redis: RedisServer;
beforeAll(async () => {
  [stage, redis] = await Promise.all([Stage.open(), RedisServer.start()]);
});
afterAll(() => Promise.all([stage.close(), redis.stop()]));

test("no change is lost or doubled, whatever befalls processes and Redis", async () => {
  await stage.query(r.dbCreate("shop"));
  for (const table of tables) await stage.query(r.db("shop").tableCreate(table));
  const ledgers = new Map(tables.map((table) => [table, new Ledger()]));
  const connections = await Promise.all(tables.map(() => stage.connect()));
  const writers = tables.map((table, writer) => {
    const of = { db: "shop", table, writer, documents: 30, seed: 11 + writer };
    return new Writer(connections[writer]!, { ...of, ledger: ledgers.get(table)! });
  });
  await Promise.all(writers.map((writer) => writer.load()));
  const repo = stage.repo("repo");
  const ended = new AbortController();
  const writing = Promise.all(writers.map((writer) => writer.write(ended.signal, 30)));
  const began = Date.now();

  // None of them can know whether another one runs: all go by the lease.
  let begun = 0;
  const begin = () => {
    begun += 1;
    return stage.captureIn(machineNamed(`machine-${begun}`), repo, "--redis", redis.address);
  };
  const running = [begin()];
  await stage.untilExactNow(repo, ...names);
  expect((await cli(["lanes", "set", "3", "--repo", repo])).status).toBe(0);
  running.push(begin(), begin());
  /** By lane, the process that has claimed its newest epoch. */
  const writersNow = async () => {
    const claims = lanes.map((lane) => listClaims(laneStore(storeAt(repo), lane)));
    return (await Promise.all(claims)).map((of) => of.at(-1)?.process);
  };
  const pidsOf = (of: Running[]) => of.map(({ process }) => process.pid!);
  const untilShared = () =>
    until(
      "each has a lane",
      async () => {
        const has = new Set(await writersNow());
        return pidsOf(running).every((pid) => has.has(pid));
      },
      90_000,
    );
  const claimsNow = async () => {
    const claims = lanes.map((lane) => listClaims(laneStore(storeAt(repo), lane)));
    return (await Promise.all(claims)).map((of) => of.length);
  };
  await untilShared();
  await stage.untilExactNow(repo, ...names);

  /** When something was done to a process, and its tables were live again. */
  const disturbed: { from: number; to: number }[] = [];
  const tookMs: Record<string, number[]> = { kill: [], stop: [] };

  for (const index of [0, 1, 2]) {
    const [victim] = running.splice(index, 1) as [Running];
    const from = Date.now();
    victim.process.kill("SIGKILL");
    await until(
      "others have its lanes",
      async () => !(await writersNow()).includes(victim.process.pid),
      takeOverMsMax,
    );
    tookMs["kill"]!.push(Date.now() - from);
    running.splice(index, 0, begin());
    await untilShared();
    await stage.untilExactNow(repo, ...names);
    disturbed.push({ from, to: Date.now() });
  }

  for (const index of [0, 1, 2]) {
    const victim = running[index]!;
    const from = Date.now();
    victim.process.kill("SIGSTOP");
    await until(
      "others have its lanes",
      async () => !(await writersNow()).includes(victim.process.pid),
      takeOverMsMax,
    );
    tookMs["stop"]!.push(Date.now() - from);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, from + 18_000 - Date.now())));
    victim.process.kill("SIGCONT");
    const { status, stderr } = await victim.finished;
    expect([status, stderr]).toEqual([11, expect.stringContaining("stood still")]);
    running[index] = begin();
    await untilShared();
    await stage.untilExactNow(repo, ...names);
    disturbed.push({ from, to: Date.now() });
  }

  // What befalls Redis alone moves no lane.
  const before = await claimsNow();
  await redis.ask((one) => one.flushall());
  await new Promise((resolve) => setTimeout(resolve, 9000));
  await redis.save();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  await redis.goBack();
  await new Promise((resolve) => setTimeout(resolve, 9000));
  await redis.kill();
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  await redis.restart();
  await new Promise((resolve) => setTimeout(resolve, 9000));
  redis.signal("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 9000));
  redis.signal("SIGCONT");
  await new Promise((resolve) => setTimeout(resolve, 9000));
  expect(await claimsNow()).toEqual(before);
  await stage.untilExactNow(repo, ...names);

  const ending = Date.now();
  ended.abort();
  await writing;
  await Promise.all(connections.map((connection) => connection.close()));
  const now = await stage.untilExact(repo, ending, ...names);
  for (const one of running) expect((await stop(one)).status).toBe(0);

  let compared = 0;
  for (const table of tables) {
    const name = `shop.${table}`;
    const gaps = tableOf(now, name)!.intervals.filter(
      ({ class: is }) => is !== "exact" && is !== "late",
    );
    for (const { class: is, from, to } of gaps) {
      expect(is).toBe("gap");
      const isNamed = disturbed.some(
        (one) => Date.parse(from) > one.from - 5000 && Date.parse(to) < one.to,
      );
      expect([name, from, to, isNamed]).toEqual([name, from, to, true]);
    }
    const verdict = await judge(repo, name, ledgers.get(table)!, spread(began, ending, 35));
    expect(verdict.wrong).toEqual([]);
    compared += verdict.exact + verdict.late;
  }
  expect(compared).toBeGreaterThan(100);
  expect(await brokenChains(repo)).toEqual([]);
  console.log(
    `${compared} exact and late instants are right; others had the lanes after ${JSON.stringify(tookMs)} ms`,
  );
}, 540_000);
