/**
 * Two tables swap their names without a pause, by renames of databases or of tables: what is written to one of them
 * never lands in the other, and what is read of it is never the other's, on the simulated and on a real server.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import type { GuardedWrite } from "../../src/rethinkdb/target.js";
import { r } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";

const documents = 200;
const text = (document: object) => Buffer.from(JSON.stringify(document));
const keys = Array.from({ length: documents }, (_, id) => text({ id }).subarray(6, -1));

/** Three renames that swap two tables. */
const swaps = {
  databases: [
    ["blue", "grey"],
    ["green", "blue"],
    ["grey", "green"],
  ].map(([from, to]) => r.db(from!).config().update({ name: to })),
  tables: [
    ["blue", "grey"],
    ["green", "blue"],
    ["grey", "green"],
  ].map(([from, to]) => r.db("swapped").table(from!).config().update({ name: to })),
};

onEachServer("writes beside names that swap", (bench) => {
  let target: RethinkTarget;
  /** The tables of each kind of swap: the one that is written to, and the one that is not. */
  const tables: Record<string, { own: TableReference; other: TableReference }> = {};

  beforeAll(async () => {
    const { host, port } = bench().server;
    const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "target");
    target = new RethinkTarget("the test's server", dial);
    const make = async (db: string, name: string) => {
      const id = await target.createTable({
        db,
        name,
        primaryKey: "id",
        durability: "soft",
        writeAcks: "majority",
        shards: 1,
        replicas: 1,
      });
      return { id, db, name, primaryKey: "id" };
    };
    for (const db of ["blue", "green", "swapped"]) await target.createDatabase(db);
    tables["databases"] = { own: await make("blue", "t"), other: await make("green", "t") };
    tables["tables"] = {
      own: await make("swapped", "blue"),
      other: await make("swapped", "green"),
    };
  });

  afterAll(() => target.close());

  /** Swaps the names until the work is done, an even number of times. */
  async function besideSwaps(renames: readonly unknown[], work: () => Promise<void>) {
    const client = await bench().connect();
    const ask = async (term: unknown) => client.query((term as { build(): unknown }).build(), {});
    let [isOver, swapped] = [false, 0];
    const swapping = (async () => {
      while (!isOver || swapped % 2 === 1) {
        for (const rename of renames) {
          while (!/"(replaced|unchanged)":1/.test(await ask(rename)));
        }
        swapped += 1;
        // The simulated server answers within the test's own process, and would do nothing else.
        await sleep(bench().kind === "simulated" ? 40 * Math.random() : 0);
      }
    })();
    try {
      await work();
    } finally {
      isOver = true;
      await swapping;
      client.close();
    }
    return swapped;
  }

  /** Does some at once, each again and again until it is not refused; returns how often any was. */
  async function untilTaken(acts: (() => Promise<unknown>)[]): Promise<number> {
    let refused = 0;
    const waiting = acts.values();
    const one = async () => {
      for (const act of waiting) {
        while (
          await act().then(
            () => false,
            (error: unknown) => /not the table|does not exist/.test(String(error)) || fail(error),
          )
        ) {
          refused += 1;
        }
      }
    };
    await Promise.all([one(), one(), one(), one()]);
    return refused;
  }

  test.each(Object.entries(swaps))("of %s", async (kind, renames) => {
    const { own, other } = tables[kind]!;
    const first = keys.map((_, id) => text({ id, n: 0 }));
    // The other table has the same documents, so that no guard of a document keeps a write from it.
    for (const table of [own, other]) await target.write(table, first);
    const pairs = keys.flatMap((_, at) => (at % 2 === 0 ? [at] : []));
    const wrong: string[] = [];
    const replace = (at: number) => async () => {
      const writes: GuardedWrite[] = [
        { key: keys[at]!, expected: first[at]!, document: text({ id: at, n: "own" }) },
        { key: keys[at + 1]!, expected: first[at + 1]!, document: null },
        { key: text([at]), expected: null, document: text({ id: [at], n: "own" }) },
      ];
      // What an earlier try has written, before it was refused, is "moved".
      const outcomes = await target.replace(own, writes, "soft");
      if (outcomes.some((outcome) => typeof outcome === "object"))
        wrong.push(JSON.stringify(outcomes));
    };
    const all = new AbortController();
    let refused = 0;
    const swapped = await besideSwaps(renames, async () => {
      refused += await untilTaken(pairs.map(replace));
      const readBack = async () => {
        for (const found of await target.documents(own, keys)) {
          if (found?.includes('"n":0')) wrong.push(found.toString());
        }
      };
      refused += await untilTaken(Array.from({ length: 40 }, () => readBack));
      const write = (at: number) => () =>
        target.write(own, [text({ id: `w${at}`, n: "own" }), text({ id: `x${at}`, n: "own" })]);
      refused += await untilTaken(pairs.map(write));
      const remove = (at: number) => () => target.remove(own, [keys[at]!]);
      refused += await untilTaken(pairs.map(remove));
      refused += await untilTaken([
        () => target.writeLarge(own, text([-1]), text({ id: [-1], n: "own" })),
      ]);
      refused += await untilTaken([() => target.sync(own)]);
    });
    console.log(`${kind}: ${swapped} swaps, ${refused} refused`);
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(0);
    const held = async (table: TableReference) => {
      const found: string[] = [];
      for await (const batch of target.scan(table, { signal: all.signal })) {
        batch.forEach((_, document) => found.push(document.toString()));
      }
      return found;
    };
    expect((await held(other)).sort()).toEqual(first.map(String).sort());
    expect((await held(own)).every((document) => document.includes('"n":"own"'))).toBe(true);
    expect(await held(own)).toHaveLength(3 * pairs.length + 1);
  });
});

function fail(error: unknown): never {
  throw error;
}
