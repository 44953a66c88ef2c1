/**
 * Two databases with a table of the same name swap their names without a pause, as a blue/green deployment that flaps:
 * what is read of one of the tables is never the other's, on the simulated and on a real server.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { IndexStatus } from "../../src/catalog-record.js";
import { systemClock } from "../../src/clock.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import type { FeedChange } from "../../src/rethinkdb/feed.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { r, type Term } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";
import type { RawClient } from "../server/raw-client.js";

const { signal } = new AbortController();
const stamp = () => ({ time: 0, sequence: 0 });

onEachServer("names that swap", (bench) => {
  const table: TableReference = { id: "", db: "blue", name: "t", primaryKey: "id" };
  const clients: RawClient[] = [];
  const ofName = r.db("blue").table("t");
  let source: RethinkSource;
  let isOver = false;
  const swapping: Promise<void>[] = [];

  /**
   * What the last reading took, at most a second. A pause between two swaps is up to twice as long: on a busy machine
   * too, some readings see a swap and are refused, and others see none.
   */
  let readingMs = 0;

  /** Goes on until the test is over, on a connection of its own. */
  async function always(
    act: (ask: (term: unknown) => Promise<unknown>) => Promise<void>,
    pauseMs = () => 0,
  ) {
    const client = await bench().connect();
    clients.push(client);
    const ask = async (term: unknown) => client.query((term as { build(): unknown }).build(), {});
    const acting = async () => {
      while (!isOver) {
        await act(ask);
        await sleep(pauseMs());
        // It answers within the test's own process, and would do nothing else.
        if (bench().kind === "simulated") await sleep(40 * Math.random());
      }
    };
    swapping.push(acting());
  }

  beforeAll(async () => {
    for (const db of ["blue", "green"]) {
      const named = r.db(db).table("t");
      await bench().done(r.dbCreate(db));
      await bench().done(r.db(db).tableCreate("t"));
      await bench().done(named.insert([1, 2, 3].map((id) => ({ id, of: db }))));
      await bench().done(named.indexCreate("i", (row: Term) => row(`of_${db}`)));
    }
    table.id = (await bench().value(ofName.info().getField("id"))) as string;
    const { host, port } = bench().server;
    const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "source");
    source = new RethinkSource("the test's server", dial, systemClock);
    await always(
      async (ask) => {
        for (const [from, to] of [
          ["blue", "grey"],
          ["green", "blue"],
          ["grey", "green"],
        ]) {
          await ask(r.db(from!).config().update({ name: to }));
        }
      },
      () => 2 * readingMs * Math.random(),
    );
  });

  afterAll(async () => {
    isOver = true;
    await Promise.all(swapping);
    for (const client of clients) client.close();
    source.close();
  });

  /** Whose it was what was read so many times; most readings are refused. */
  async function readOften(
    times: number,
    read: () => Promise<string | undefined>,
  ): Promise<string[]> {
    const found: string[] = [];
    const untilMs = Date.now() + 50_000;
    while (found.length < times && Date.now() < untilMs) {
      const startMs = Date.now();
      const whose = await read().catch(() => undefined);
      readingMs = Math.min(Date.now() - startMs, 1_000);
      if (whose !== undefined) found.push(whose);
    }
    expect(found).toHaveLength(times);
    return [...new Set(found)];
  }

  test("a scan", async () => {
    const scan = async () => {
      const owners = new Set<string>();
      for await (const batch of source.scan(table, { stamp, signal })) {
        batch.forEach((_, document) =>
          owners.add((JSON.parse(document.toString()) as { of: string }).of),
        );
      }
      return [...owners].join();
    };
    expect(await readOften(200, scan)).toEqual(["blue"]);
  });

  test("the indexes of a reading of the catalog", async () => {
    const read = async () => {
      const { structure } = await source.readCatalog();
      const record = structure.find(({ key }) => key[0] === "indexes" && key[1] === table.id);
      const { indexes } = (record?.value ?? {}) as { indexes?: IndexStatus[] };
      return indexes?.map(({ query }) => /of_(\w+)/.exec(query)![1]).join();
    };
    expect(await readOften(100, read)).toEqual(["blue"]);
  });

  test("a feed", async () => {
    // Opening one takes several queries, and is refused if the name is another table's at one of them.
    await always(
      async (ask) => {
        await ask(ofName.get(1).update((row: Term) => ({ n: row("n").default(0).add(1) })));
      },
      () => 50,
    );
    const open = async () => {
      const feed = await source.openFeed(() => table);
      try {
        for await (const batch of feed.batches) {
          let whose: string | undefined;
          batch.forEach((event) => {
            const { document } = event as FeedChange;
            if (document) whose = (JSON.parse(document.toString()) as { of: string }).of;
          });
          if (whose !== undefined) return whose;
        }
        return undefined;
      } finally {
        await feed.close();
      }
    };
    expect(await readOften(10, open)).toEqual(["blue"]);
  });
});
