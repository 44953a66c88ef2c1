/**
 * Tables whose replicas are all on a server that is cut off from the one that a capture is connected to: their indexes
 * and hooks are changed there meanwhile, and the capture cannot know. The server is forgotten, so that the catalog is exact.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storeAt } from "../../src/storage/store-at.js";
import { whyNotLong } from "../long.js";
import { catalogAt } from "../repository/looks.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { Network, type NetworkServer, whyNoNetwork } from "../server/network.js";
import { cli, type Running, type StatusResult, start, status, untilStatus } from "./cli.js";
import { at, boundMs, exactShare, spread } from "./judge.js";
import { iso, kill, stop, tableOf, until } from "./stage.js";

const whyNot = whyNotLong ?? (await whyNoNetwork());
if (whyNot) console.warn(`tables that are cut off are NOT tested: ${whyNot}`);

const database = r.db("shop");
/** How long a capture that knows of the cut goes on before what is cut off is changed again, and after it. */
const apartMs = 6000;

let directory: string;
let network: Network;
let running: Running | undefined;

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

/** What a table's indexes and hook were after each change of them. */
class Definitions {
  private readonly states = [{ sent: 0, acknowledged: 0, text: "" }];

  constructor(
    private readonly connection: DriverConnection,
    readonly name: string,
  ) {}

  async change(change: (table: Term) => Term, indexes: string[], hook = false): Promise<void> {
    const sent = Date.now();
    await change(database.table(this.name)).run(this.connection);
    const text = JSON.stringify({ indexes, hook });
    this.states.push({ sent, acknowledged: Date.now(), text });
  }

  /** What the catalog of an instant may say: what was acknowledged two seconds before it, or something newer. */
  allowedAt(instant: number): string[] {
    const isOld = ({ acknowledged }: { acknowledged: number }) => acknowledged <= instant - boundMs;
    const first = Math.max(0, this.states.findLastIndex(isOld));
    return this.states
      .slice(first)
      .filter(({ sent }) => sent <= instant)
      .map(({ text }) => text);
  }
}

async function definedAt(repo: string, id: string, instant: number): Promise<string> {
  const catalog = await catalogAt(storeAt(repo), instant);
  const table = catalog.tables().find((one) => one.id === id)!;
  const indexes = catalog.indexes(id).map(({ index }) => index);
  return JSON.stringify({ indexes, hook: table.write_hook !== null });
}

const isExactAt = (intervals: StatusResult["tables"][number]["intervals"], instant: number) =>
  at(intervals, instant)?.class === "exact";

const untilExact = (repo: string, instant: number, ...names: string[]) =>
  untilStatus(
    repo,
    (now) =>
      names.every((name) => {
        const table = tableOf(now, name);
        return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > instant;
      }),
    120_000,
  );

/** Writes to the table that stays within reach, so that its proofs mean something. */
function writeOn(server: NetworkServer): () => Promise<void> {
  const ended = new AbortController();
  const writing = (async () => {
    const connection = await server.connect();
    for (let id = 0; !ended.signal.aborted; id += 1) {
      await database.table("near").insert({ id }).run(connection);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await connection.close();
  })();
  return async () => {
    ended.abort();
    await writing;
  };
}

test.skipIf(whyNot !== undefined)(
  "at no instant that is exact for a table and for the catalog are its indexes or its hook unknown",
  async () => {
    const first = await network.start("first");
    const connection = await first.connect();
    const [, third] = await Promise.all([network.start("second"), network.start("third")]);
    await r.dbCreate("shop").run(connection);
    const primary = (primary_replica: string, more: string[], nonvoting_replicas: string[]) => [
      { primary_replica, replicas: [primary_replica, ...more], nonvoting_replicas },
    ];
    // The second one's replica of `mirrored` has no vote, and tells what it knew of last.
    const shards = {
      near: primary("first", [], []),
      far: primary("third", [], []),
      mirrored: primary("third", ["second"], ["second"]),
    };
    for (const [name, of] of Object.entries(shards)) {
      await database.tableCreate(name).run(connection);
      await database.table(name).config().update({ shards: of }).run(connection);
      await database.table(name).wait({ waitFor: "all_replicas_ready" }).run(connection);
    }
    const repo = join(directory, "repo");
    const source = ["--source", `rethinkdb://${first.host}:${first.port}`, "--repo", repo];
    const capture = ["run", ...source, "--tick", "200ms", "--no-fold"];
    running = start(capture);
    const endWriting = writeOn(first);
    const apart = await third.connect();
    const far = new Definitions(apart, "far");
    const mirrored = new Definitions(apart, "mirrored");
    for (const table of [far, mirrored]) {
      await table.change((of) => of.indexCreate("a"), ["a"]);
    }
    await untilExact(repo, Date.now() + boundMs, "shop.near", "shop.far", "shop.mirrored");

    const cutFrom = Date.now();
    await third.cut();
    for (const table of [far, mirrored]) {
      await table.change((of) => of.indexCreate("b"), ["a", "b"]);
    }
    // Without it the catalog is proven again when somebody says that it is gone, be that true or not.
    await untilStatus(repo, ({ missingServers }) => missingServers.join() === "third");
    expect((await stop(running)).status).toBe(0);
    running = start([...capture, "--forget-server", "third"]);
    const since = Date.now();
    await untilStatus(repo, ({ catalog }) => Date.parse(catalog?.frontier ?? "") > since);
    const known = Date.now();
    await until("the catalog goes on", () => Date.now() > known + apartMs);
    const hook = (of: Term) => of.setWriteHook((_: Term, __: Term, now: Term) => now);
    for (const table of [far, mirrored]) {
      await table.change((of) => of.indexDrop("a"), ["b"]);
      await table.change((of) => of.indexRename("b", "c"), ["c"]);
      await table.change(hook, ["c"], true);
    }
    const changed = Date.now();
    await until("the catalog goes on", () => Date.now() > changed + apartMs);
    const healed = Date.now();
    await third.heal();
    const names = ["shop.near", "shop.far", "shop.mirrored"];
    await untilExact(repo, healed, ...names);
    const back = Date.now();
    await untilExact(repo, back + apartMs, ...names);
    await endWriting();
    expect((await stop(running)).status).toBe(0);

    const now = await status(repo);
    const { intervals } = now.catalog!;
    // What is within reach can be restored exactly while the third is away, and so can the catalog.
    const near = tableOf(now, "shop.near")!;
    for (const of of [near, { intervals }]) {
      expect(exactShare(of, known, healed)).toBeGreaterThan(0.5);
    }
    let judged = 0;
    const wrong: string[] = [];
    for (const table of [far, mirrored]) {
      const { id, intervals: own } = tableOf(now, `shop.${table.name}`)!;
      expect(own.map((one) => one.class)).toContain("gap");
      const edges = own.flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)]);
      for (const instant of [...edges, ...spread(cutFrom - 3000, back + apartMs, 300)]) {
        if (!isExactAt(own, instant) || !isExactAt(intervals, instant)) continue;
        judged += 1;
        const defined = await definedAt(repo, id, instant);
        const allowed = table.allowedAt(instant);
        if (!allowed.includes(defined))
          wrong.push(`${table.name} at ${iso(instant)}: ${defined}, not ${allowed.join(" or ")}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(judged).toBeGreaterThan(20);
    // While it is cut off, a restore says that it has nothing exact.
    const target = ["--target", `rethinkdb://${first.host}:${first.port}`, "--dry-run"];
    const chosen = ["--table", "shop.far", "--at", iso(changed + 1000)];
    const refused = await cli(["restore", "--repo", repo, ...target, ...chosen]);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("shop.far cannot be restored exactly");
  },
  300_000,
);
