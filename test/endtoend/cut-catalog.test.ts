/**
 * A server that a capture's server is cut off from, with or without the third one seeing both. There databases, tables and
 * users are made, renamed and deleted, each acknowledged at once, and the capture cannot know.
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
import { cli, type Running, start, status, untilStatus } from "./cli.js";
import { at, boundMs, exactShare, spread } from "./judge.js";
import { iso, kill, stop, tableOf, until } from "./stage.js";

const whyNot = whyNotLong ?? (await whyNoNetwork());
if (whyNot) console.warn(`catalogs of clusters that are cut are NOT tested: ${whyNot}`);

/** How long a capture goes on after something was acknowledged of which it does not know. */
const apartMs = 8000;

let directory: string;
let network: Network;
let running: Running | undefined;
let servers: NetworkServer[];

beforeAll(async () => {
  if (whyNot) return;
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  network = await Network.make();
  servers = [await network.start("first"), await network.start("second")];
  servers.push(await network.start("third"));
}, 120_000);

afterAll(async () => {
  if (whyNot) return;
  if (running) await kill(running);
  await network.close();
  await rm(directory, { recursive: true, force: true });
});

interface Change {
  acknowledged: number;
  /** Whether a catalog has it. */
  isIn: (names: { databases: string[]; tables: string[]; users: string[] }) => boolean;
  of: "catalog" | "access";
}

/** Makes these changes on a server, one after the other. */
async function changes(
  connection: DriverConnection,
  list: [of: Change["of"], term: Term, isIn: Change["isIn"]][],
): Promise<Change[]> {
  const made: Change[] = [];
  for (const [of, term, isIn] of list) {
    await term.run(connection);
    made.push({ of, isIn, acknowledged: Date.now() });
  }
  return made;
}

/** At which of the instants that are exact, or late, something is not known that was acknowledged so long before. */
async function judged(repo: string, made: Change[], instants: number[]) {
  const now = await status(repo);
  const wrong: string[] = [];
  let exact = 0;
  for (const instant of instants) {
    const catalog = await catalogAt(storeAt(repo), instant);
    const names = {
      databases: catalog.databases().map(({ name }) => name),
      tables: catalog.tables().map(({ db, name }) => `${db}.${name}`),
      users: catalog.users().map(({ id }) => id),
    };
    for (const of of ["catalog", "access"] as const) {
      const interval = at(now[of]!.intervals, instant);
      if (interval?.class !== "exact" && interval?.class !== "late") continue;
      if (interval.class === "exact") exact += 1;
      const old = instant - Math.max(boundMs, interval.lateMs ?? 0);
      const missed = made.filter((one) => one.of === of && one.acknowledged <= old);
      if (missed.some(({ isIn }) => !isIn(names))) {
        wrong.push(`${of} at ${iso(instant)}, ${interval.class}: ${JSON.stringify(names)}`);
      }
    }
  }
  return { wrong, exact };
}

test.skipIf(whyNot !== undefined).each(["some", "all"])(
  "what was acknowledged by a server that is cut off from %s others is missing at no exact instant",
  async (others) => {
    const [first, second] = servers as [NetworkServer, NetworkServer];
    const [here, there] = [await first.connect(), await second.connect()];
    const users = r.db("rethinkdb").table("users");
    await r.dbCreate(`old_${others}`).run(here);
    const near = r.db(`old_${others}`).table("near");
    const onFirst = [{ primary_replica: "first", replicas: ["first"] }];
    await r.db(`old_${others}`).tableCreate("near").run(here);
    await near.config().update({ shards: onFirst }).run(here);
    await near.wait({ waitFor: "all_replicas_ready" }).run(here);
    await users.insert({ id: `mallory_${others}`, password: "x" }).run(here);
    const repo = join(directory, `repo-${others}`);
    const source = ["--source", `rethinkdb://${first.host}:${first.port}`, "--repo", repo];
    const capture = () => start(["run", ...source, "--tick", "200ms", "--no-fold"]);
    running = capture();
    const begun = Date.now() + boundMs;
    const isKnown = (frontier: string | null | undefined) => Date.parse(frontier ?? "") > begun;
    await untilStatus(
      repo,
      ({ catalog, access }) => isKnown(catalog?.frontier) && isKnown(access?.frontier),
    );

    const cutFrom = Date.now();
    await (others === "all" ? second.cut() : second.cutFrom(first));
    const made = await changes(there, [
      [
        "access",
        users.insert({ id: `early_${others}`, password: "x" }),
        ({ users: all }) => all.includes(`early_${others}`),
      ],
    ]);
    await untilStatus(repo, ({ missingServers }) => missingServers.join() === "second");
    made.push(
      ...(await changes(there, [
        [
          "catalog",
          r.dbCreate(`new_${others}`),
          ({ databases }) => databases.includes(`new_${others}`),
        ],
        [
          "catalog",
          r.db(`new_${others}`).tableCreate("bills"),
          ({ tables }) => tables.includes(`new_${others}.bills`),
        ],
        [
          "catalog",
          r
            .db(`old_${others}`)
            .config()
            .update({ name: `kept_${others}` }),
          ({ databases }) => databases.includes(`kept_${others}`),
        ],
        [
          "access",
          users.insert({ id: `bob_${others}`, password: "x" }),
          ({ users: all }) => all.includes(`bob_${others}`),
        ],
        [
          "access",
          users.get(`mallory_${others}`).delete(),
          ({ users: all }) => !all.includes(`mallory_${others}`),
        ],
      ])),
    );
    const changed = Date.now();
    await until("the capture goes on", () => Date.now() > changed + apartMs);
    const chosen = ["--table", `old_${others}.near`, "--at", iso(changed + boundMs + 1000)];
    const dry = ["restore", "--repo", repo, "--dry-run", ...chosen];
    const refused = await cli(dry);
    expect(refused.status).toBe(5);
    // Of the catalog, or of the table while its own proof is still to come.
    expect(refused.stderr).toMatch(/not proven yet|cannot be restored/);
    expect((await cli([...dry, "--allow-inexact"])).status).toBe(0);
    // A capture that begins now knows of the server that it does not see.
    expect((await stop(running)).status).toBe(0);
    running = capture();
    const again = Date.now();
    await until("the capture goes on", () => Date.now() > again + apartMs);
    const healed = Date.now();
    await (others === "all" ? second.heal() : second.healTo(first));
    await untilStatus(repo, ({ missingServers }) => missingServers.length === 0);
    const whole = Date.now();
    const isBack = (frontier: string | null | undefined) =>
      Date.parse(frontier ?? "") > whole + apartMs;
    await untilStatus(
      repo,
      ({ catalog, access }) => isBack(catalog?.frontier) && isBack(access?.frontier),
    );
    expect((await stop(running)).status).toBe(0);

    const { wrong, exact } = await judged(repo, made, spread(cutFrom - 3000, whole + apartMs, 300));
    expect(wrong).toEqual([]);
    expect(exact).toBeGreaterThan(30);
    // The table does not wait for the server: it has no replica there.
    const table = tableOf(await status(repo), `kept_${others}.near`)!;
    expect(exactShare(table, changed, healed)).toBeGreaterThan(0.5);
  },
  300_000,
);
