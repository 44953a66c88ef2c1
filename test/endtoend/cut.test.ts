/**
 * A primary, and a proxy, that are cut off from the others while captures are connected to them: the others elect another
 * primary and acknowledge writes of which neither capture can know.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { r } from "../server/driver.js";
import { Network, type NetworkServer, whyNoNetwork } from "../server/network.js";
import { type Running, start, status, untilStatus } from "./cli.js";
import { Inserts } from "./inserts.js";
import { at, boundMs, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { kill, stop, tableOf, until } from "./stage.js";

const whyNot = whyNotLong ?? (await whyNoNetwork());
if (whyNot) console.warn(`primaries and proxies that are cut off are NOT tested: ${whyNot}`);

const name = "shop.orders";
const orders = r.db("shop").table("orders");
/** The others are given so long to acknowledge writes of which the captures do not know. */
const apartMs = 8000;

let directory: string;
let network: Network;
const captures: Running[] = [];
const ledger = new Ledger();
const inserts = new Inserts(orders, ledger);

beforeAll(async () => {
  if (whyNot) return;
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  network = await Network.make();
});

afterAll(async () => {
  if (whyNot) return;
  await Promise.all(captures.map(kill));
  await network.close();
  await rm(directory, { recursive: true, force: true });
});

function capture({ host, port }: NetworkServer): { running: Running; repo: string } {
  const repo = join(directory, `repo-${captures.length}`);
  const source = ["--source", `rethinkdb://${host}:${port}`, "--repo", repo];
  const running = start(["run", ...source, "--tick", "200ms", "--no-fold"]);
  captures.push(running);
  return { running, repo };
}

const untilExact = (repo: string, instant: number) =>
  untilStatus(repo, (now) => {
    const table = tableOf(now, name);
    return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > instant;
  });

test.skipIf(whyNot !== undefined)(
  "no instant is called exact that lacks what others acknowledged while the primary, or the proxy, was cut off",
  async () => {
    const first = await network.start("first");
    const connection = await first.connect();
    await r.dbCreate("shop").run(connection);
    await r.db("shop").tableCreate("orders").run(connection);
    const atPrimary = capture(first);
    const atFirst = inserts.through(first);
    await untilExact(atPrimary.repo, Date.now());

    // The cluster grows under the open feed, and the table's primary stays where it is.
    const [other, , proxy] = await Promise.all([
      network.start("second"),
      network.start("third"),
      network.start("proxy", true),
    ]);
    const replicas = ["first", "second", "third"];
    const shards = [{ primary_replica: "first", replicas }];
    await orders.config().update({ shards }).run(connection);
    await orders.wait({ waitFor: "all_replicas_ready" }).run(connection);
    const atProxy = capture(proxy);
    await untilExact(atProxy.repo, Date.now());
    await untilExact(atPrimary.repo, Date.now());
    const grown = tableOf(await status(atPrimary.repo), name)!;
    expect(grown.intervals.filter((one) => one.class === "gap")).toEqual([]);
    await atFirst.end();

    const atOther = inserts.through(other);
    await until("the others' writes arrive", () => atOther.acknowledged.length > 20);
    const cutFrom = Date.now();
    await Promise.all([first.cut(), proxy.cut()]);
    const elected = () => atOther.acknowledged.filter((one) => one > cutFrom + 5000);
    await until("the others have another primary", () => elected().length > 0, 60_000);
    const alone = elected()[0]!;
    await until("they acknowledge writes", () => Date.now() > alone + apartMs);
    const healed = Date.now();
    await Promise.all([first.heal(), proxy.heal()]);
    await Promise.all([atPrimary, atProxy].map(({ repo }) => untilExact(repo, healed + boundMs)));
    await atOther.end();

    for (const { running, repo } of [atPrimary, atProxy]) {
      expect((await stop(running)).status).toBe(0);
      const { intervals } = tableOf(await status(repo), name)!;
      const apart = spread(alone + boundMs, healed - 100, 20).map(
        (instant) => at(intervals, instant)?.class,
      );
      expect(apart).not.toContain("exact");
      const verdict = await judge(repo, name, ledger, [
        ...spread(cutFrom - 2000, cutFrom + boundMs, 20),
        ...spread(alone - 1000, healed, 30),
        ...spread(healed, healed + 2 * boundMs, 20),
        ...intervals.flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)]),
      ]);
      expect(verdict.wrong).toEqual([]);
      expect(verdict.exact).toBeGreaterThan(0);
      expect(verdict.exact + verdict.late).toBeGreaterThan(10);
    }
  },
  180_000,
);
