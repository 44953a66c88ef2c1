/** Keys and documents that are not UTF-8, through source and target and back, on the simulated and on a real server. */
import { beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { compareKeys } from "../../src/key-order.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import type { FeedChange } from "../../src/rethinkdb/feed.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { type ScanOptions, scanTable } from "../../src/rethinkdb/scan.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { textOfJson } from "../../src/server-text.js";
import { r } from "../server/driver.js";
import { onEachServer } from "../server/each-server.js";
import { markedBytes } from "../server/marked-bytes.js";

const stamp = () => ({ time: 0, sequence: 0 });
const { signal } = new AbortController();

/** In their order. Decoded and encoded anew, those in the middle come to stand behind U+F900, and some are one. */
const texts = [
  "<ed9fbf>",
  "<eda080>",
  "<edb080>",
  "<edb080> cut",
  "<edb081>",
  "\ue000",
  "\uf900",
  "\uf900 b",
  "<efbfbd>",
  "😀",
];
/** Two surrogates that would make a pair are not one character; the simulated server cannot tell them apart. */
const pair = "<eda0bdedb880>";

onEachServer("bytes of documents", (bench) => {
  const table: TableReference = { id: "", db: "raw", name: "t", primaryKey: "p\udc00" };
  let keys: Buffer[] = [];
  let documents: Buffer[] = [];
  const dial = () =>
    dialer(parseAddress(`rethinkdb://${bench().server.host}:${bench().server.port}`), "target");

  const settings = { durability: "soft", writeAcks: "majority", shards: 1, replicas: 1 } as const;
  const idOf = async (name: string) =>
    (await bench().value(r.db("raw").table(name).info().getField("id"))) as string;
  const written = (key: Buffer, value: string) =>
    Buffer.concat([markedBytes(`{"f${value}":"${value}\\n","p<edb080>":`), key, Buffer.from("}")]);

  beforeAll(async () => {
    await bench().done(r.dbCreate("raw"));
    const target = new RethinkTarget("the test's server", dial());
    await target.createTable({ ...table, ...settings });
    table.id = await idOf("t");
    const all = bench().kind === "simulated" ? texts : [...texts, pair];
    const forms = (text: string) => [`["${text}"]`, `["${text}",1]`, `"${text}"`, `"a\\n${text}"`];
    keys = all.flatMap(forms).map(markedBytes).sort(compareKeys);
    documents = keys.map((key, i) => written(key, all[i % all.length]!));
    await target.write(table, documents.toReversed());
    target.close();
  });

  const scan = async (options: Omit<ScanOptions, "stamp" | "signal">): Promise<string[]> => {
    const connection = new Connection(await dial()());
    const scanned: string[] = [];
    for await (const batch of scanTable(connection, table, { ...options, stamp, signal })) {
      const rows: string[] = [];
      batch.forEach((_, document) => rows.push(textOfJson(document)));
      if (options.order === "falling") scanned.unshift(...rows);
      else scanned.push(...rows);
    }
    connection.close();
    return scanned;
  };

  test.each([
    ["rising", 1],
    ["rising", 2],
    ["rising", 3],
    ["rising", 100],
    ["falling", 1],
    ["falling", 3],
  ] as const)(
    "a %s scan, %i documents to a request, gives each as it was written",
    async (order, chunkDocuments) => {
      expect(await scan({ order, chunkDocuments })).toEqual(documents.map(textOfJson));
    },
  );

  test("a scan begins and ends at any key", async () => {
    const all = documents.map(textOfJson);
    for (const [i, key] of keys.entries()) {
      expect(await scan({ after: key })).toEqual(all.slice(i + 1));
      expect(await scan({ order: "falling", after: key })).toEqual(all.slice(0, i));
      expect(await scan({ until: () => key })).toEqual(all.slice(0, i));
      expect(await scan({ order: "falling", until: () => key })).toEqual(all.slice(i + 1));
    }
  });

  test("a feed gives key and document as they were written, and a fence is laid over such keys alone", async () => {
    const fenced = { ...table, name: "fenced" };
    // Too many to be read by a fence.
    const many = Array.from({ length: 400 }, (_, i) => markedBytes(`"<edb080> ${i}"`));
    const target = new RethinkTarget("the test's server", dial());
    await target.createTable({ ...fenced, ...settings });
    fenced.id = await idOf("fenced");
    await target.write(
      fenced,
      many.map((key) => written(key, "x")),
    );
    const source = new RethinkSource("the test's server", dial(), systemClock);
    await source.readCatalog();
    const feed = await source.openFeed(() => fenced);
    const changed = many.map((key) => written(key, "<edb081>"));
    await target.write(fenced, changed);
    const came: string[] = [];
    for await (const batch of feed.batches) {
      batch.forEach((event) => {
        const { key, document } = event as FeedChange;
        came.push(`${textOfJson(key)} ${textOfJson(document!)}`);
      });
      if (came.length === many.length) break;
    }
    const expected = many.map((key, i) => `${textOfJson(key)} ${textOfJson(changed[i]!)}`);
    expect(came.sort()).toEqual(expected.sort());
    // Nothing is written any more. What was opened before the last change counts for nothing behind it.
    const deliveredMs = systemClock.monotonicMs();
    let provenMs: number | undefined;
    while (provenMs === undefined) {
      await systemClock.sleep(50);
      provenMs = await feed.fences.pass(systemClock.monotonicMs());
    }
    expect(provenMs).toBeGreaterThan(deliveredMs);
    await feed.close();
    source.close();
    target.close();
  });
});
