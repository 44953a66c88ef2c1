/**
 * Two processes share the lanes of a repository under writers without a pause: tables move between lanes without a gap, a
 * process that is killed leaves a gap of its tables alone, and every exact instant is right.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { r } from "../server/driver.js";
import { cli, cliJson, status } from "./cli.js";
import { brokenChains, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { Stage, stop, tableOf } from "./stage.js";
import { Writer } from "./workload.js";

const tables = ["a", "b", "c", "d", "e", "f"];
const names = tables.map((table) => `shop.${table}`);

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

interface Lanes {
  lanes: { lane: number; tables: number; writer: { process: number } | null }[];
}

const isWhole = ({ class: is }: { class: string }) => is === "exact" || is === "late";

test.skipIf(whyNotLong !== undefined)(
  "tables move between lanes, and lanes between processes",
  async () => {
    await stage.query(r.dbCreate("shop"));
    for (const table of tables) await stage.query(r.db("shop").tableCreate(table));
    const ledgers = new Map(tables.map((table) => [table, new Ledger()]));
    const connections = await Promise.all(tables.map(() => stage.connect()));
    const writers = tables.map((table, writer) => {
      const of = { db: "shop", table, writer, documents: 50, seed: 7 + writer };
      return new Writer(connections[writer]!, { ...of, ledger: ledgers.get(table)! });
    });
    await Promise.all(writers.map((writer) => writer.load()));
    const repo = stage.repo("repo");
    const ended = new AbortController();
    const writing = Promise.all(writers.map((writer) => writer.write(ended.signal, 20)));
    const began = Date.now();

    const first = stage.capture(repo);
    await stage.untilExactNow(repo, ...names);
    await cli(["lanes", "set", "3", "--repo", repo]);
    const inLanes = async (isSo: (lanes: Lanes["lanes"]) => boolean) => {
      const untilMs = Date.now() + 60_000;
      for (;;) {
        const { lanes } = await cliJson<Lanes>(["lanes", "list", "--repo", repo]);
        if (isSo(lanes)) return;
        expect(Date.now(), JSON.stringify(lanes)).toBeLessThan(untilMs);
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    };
    // The table that the stage writes to itself comes on top.
    const all = tables.length + 1;
    const sum = (lanes: Lanes["lanes"]) => lanes.reduce((count, one) => count + one.tables, 0);
    await inLanes((lanes) => lanes.every((one) => one.writer !== null) && sum(lanes) === all);

    const second = stage.capture(repo);
    const own = (lanes: Lanes["lanes"]) =>
      lanes.filter(({ writer }) => writer?.process === second.process.pid).length;
    await inLanes((lanes) => own(lanes) === 1);
    await stage.untilExactNow(repo, ...names);
    const killed = Date.now();
    first.process.kill("SIGKILL");
    await inLanes((lanes) => own(lanes) === 3);
    await stage.untilExactNow(repo, ...names);
    const live = Date.now();
    if (whyNotLong === undefined) {
      await cli(["lanes", "set", "1", "--repo", repo]);
      await inLanes((lanes) => lanes[0]!.tables === all && sum(lanes) === all);
      await stage.untilExactNow(repo, ...names);
    }
    const until = Date.now();
    ended.abort();
    await writing;
    await Promise.all(connections.map((connection) => connection.close()));
    await stage.untilExact(repo, until, ...names);
    expect((await stop(second)).status).toBe(0);

    const now = await status(repo);
    let compared = 0;
    for (const table of tables) {
      const name = `shop.${table}`;
      const gaps = tableOf(now, name)!.intervals.filter((one) => !isWhole(one));
      // Only the kill leaves a gap, and only of the tables that the process had.
      expect(gaps.length, JSON.stringify(gaps)).toBeLessThanOrEqual(1);
      for (const { class: is, from, to } of gaps) {
        expect(is).toBe("gap");
        expect(Date.parse(from)).toBeGreaterThan(killed - 5000);
        expect(Date.parse(to)).toBeLessThan(live);
      }
      const verdict = await judge(repo, name, ledgers.get(table)!, spread(began, until, 25));
      expect(verdict.wrong).toEqual([]);
      compared += verdict.exact + verdict.late;
    }
    expect(compared).toBeGreaterThan(60);
    expect(await brokenChains(repo)).toEqual([]);
    process.stdout.write(
      `${compared} exact and late instants of ${tables.length} tables are right\n`,
    );
  },
  240_000,
);
