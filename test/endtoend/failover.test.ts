/**
 * A cluster of three real servers, and a capture that knows all of them. The one that it is connected to is cut off from
 * the others, then stopped, and the next one is killed: each time the capture goes on with another one.
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
import { boundMs, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { kill, stop, tableOf, until } from "./stage.js";

const whyNot = whyNotLong ?? (await whyNoNetwork());
if (whyNot) console.warn(`captures that know several servers are NOT tested: ${whyNot}`);

const name = "shop.orders";
const orders = r.db("shop").table("orders");
/** What a feed is given up after, an election, and opening the table again. */
const failoverMsMax = 45_000;

let directory: string;
let network: Network;
let running: Running | undefined;
const ledger = new Ledger();
const inserts = new Inserts(orders, ledger);

beforeAll(async () => {
  if (whyNot) return;
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  network = await Network.make();
});

afterAll(async () => {
  if (whyNot) return;
  if (running) await kill(running);
  await network.close();
  await rm(directory, { recursive: true, force: true });
});

/** The names of the servers that the capture has been connected to, in order. */
function connectedTo(servers: NetworkServer[]): string[] {
  const said = [...running!.stderr().matchAll(/"server":"rethinkdb:\/\/admin@([^":]+):/g)];
  return said.map(([, host]) => servers.find((server) => server.host === host)!.name);
}

/** Resolves when the table is exact after an instant; the catalog is not, while a server cannot be reached. */
const untilExact = (repo: string, instant: number) =>
  untilStatus(
    repo,
    (now) => {
      const last = tableOf(now, name)?.intervals.at(-1);
      return last?.class === "exact" && Date.parse(last.to) > instant;
    },
    failoverMsMax,
  );

test.skipIf(whyNot !== undefined)(
  "a capture goes on when the server that it is connected to is cut off, stands still, or dies",
  async () => {
    const servers = [await network.start("first"), await network.start("second")];
    servers.push(await network.start("third"));
    const [first, second, third] = servers as [NetworkServer, NetworkServer, NetworkServer];
    const connection = await first.connect();
    await r.dbCreate("shop").run(connection);
    await r.db("shop").tableCreate("orders").run(connection);
    const shards = [{ primary_replica: "first", replicas: servers.map((server) => server.name) }];
    await orders.config().update({ shards }).run(connection);
    await orders.wait({ waitFor: "all_replicas_ready" }).run(connection);

    const repo = join(directory, "repo");
    const source = `rethinkdb://${servers.map(({ host, port }) => `${host}:${port}`).join(",")}`;
    const args = ["run", "--source", source, "--repo", repo, "--tick", "200ms", "--no-fold"];
    running = start(args);
    await untilExact(repo, Date.now());
    expect(connectedTo(servers)).toEqual(["first"]);

    const failovers: number[] = [];
    const faults: number[] = [];
    /** Resolves when something is exact that was acknowledged well after the fault. */
    const goesOn = async (atFault: number, acknowledged: number[]) => {
      faults.push(atFault);
      const later = () => acknowledged.find((one) => one > atFault + 1000);
      await until("writes are acknowledged again", () => later() !== undefined, failoverMsMax);
      await untilExact(repo, later()!);
      failovers.push(Date.now() - atFault);
    };

    const atThird = inserts.through(third);
    await until("writes arrive", () => atThird.acknowledged.length > 20);
    const cutAt = Date.now();
    await first.cut();
    await goesOn(cutAt, atThird.acknowledged);
    expect(connectedTo(servers)).toEqual(["first", "second"]);
    await first.heal();
    await orders.wait({ waitFor: "all_replicas_ready" }).run(await third.connect());
    await untilExact(repo, Date.now());

    const stoppedAt = Date.now();
    second.signal("SIGSTOP");
    await goesOn(stoppedAt, atThird.acknowledged);
    const now = connectedTo(servers).at(-1)!;
    expect(now).not.toBe("second");
    second.signal("SIGCONT");
    await orders.wait({ waitFor: "all_replicas_ready" }).run(await third.connect());
    await untilExact(repo, Date.now());
    await atThird.end();

    const [dying, other] = now === "third" ? [third, first] : [first, third];
    const atOther = inserts.through(other);
    await until("writes arrive", () => atOther.acknowledged.length > 20);
    const killedAt = Date.now();
    dying.signal("SIGKILL");
    await goesOn(killedAt, atOther.acknowledged);
    expect(connectedTo(servers).at(-1)).not.toBe(dying.name);
    await atOther.end();
    await untilExact(repo, Date.now());

    expect((await stop(running)).status).toBe(0);
    const { intervals } = tableOf(await status(repo), name)!;
    const end = Date.parse(intervals.at(-1)!.to);
    const verdict = await judge(repo, name, ledger, [
      ...faults.flatMap((at) => spread(at - 2000, at + 30_000, 40)),
      ...spread(faults[0]! - 5000, end, 60),
      ...intervals.flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)]),
    ]);
    expect(verdict.wrong).toEqual([]);
    expect(verdict.exact).toBeGreaterThan(40);
    console.info(
      `fail-overs took ${failovers.map((ms) => (ms / 1000).toFixed(1)).join(", ")} s (cut off, stopped, killed); ` +
        `${verdict.exact} exact, ${verdict.late} late and ${verdict.other} other instants within ${boundMs} ms`,
    );
  },
  300_000,
);
