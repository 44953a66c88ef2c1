import { beforeEach, describe, expect, test } from "vitest";
import {
  type Drill,
  type DrilledTable,
  listDrills,
  putDrill,
  readDrill,
  readProofs,
} from "../../../src/repository/records/drills.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import { ObjectExists } from "../../../src/storage/object-store.js";
import { overriding } from "../../simulation/overriding.js";
import { copyOf } from "../recording.js";

const none = { count: 0, keys: [] };

function table(id: string, ok = true): DrilledTable {
  const found = { id, name: `shop.${id}`, ok, rows: 2, bytes: 30, digest: "00ff00ff00ff00ff" };
  const altered = { count: 1, keys: ['"a"'] };
  const differences = { missing: none, altered, extra: none, settings: [] };
  return { ...found, seconds: 0.25, ...(ok ? {} : { differences }) };
}

function drill(ended: number, tables: DrilledTable[], more: Partial<Drill> = {}): Drill {
  return {
    unique: "0123456789ab",
    begun: ended - 700,
    ended,
    instant: Math.max(0, ended - 10_000),
    class: "exact",
    ok: tables.every(({ ok }) => ok),
    server: "rethinkdb 2.4.4",
    documents: 4,
    bytes: 60,
    seconds: 0.5,
    documentsPerSecond: 8,
    bytesPerSecond: 120,
    tables,
    ...more,
  };
}

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

describe("a drill is stored", () => {
  test("as one line that says all of it", async () => {
    const name = await putDrill(store, drill(1_795_246_106_243, [table("orders")]));
    expect(name).toBe("drills/001795246106243-0123456789ab.json");
    const text = (await store.get(name)).toString();
    expect(text.slice(0, -80)).toBe(
      '{"thinkback":"drill","version":1,"unique":"0123456789ab","begun":1795246105543,' +
        '"ended":1795246106243,"instant":1795246096243,"class":"exact","ok":true,' +
        '"server":"rethinkdb 2.4.4","documents":4,"bytes":60,"seconds":0.5,' +
        '"documentsPerSecond":8,"bytesPerSecond":120,"tables":[{"id":"orders",' +
        '"name":"shop.orders","ok":true,"rows":2,"bytes":30,"digest":"00ff00ff00ff00ff",' +
        '"seconds":0.25}]',
    );
  });

  test("and read back", async () => {
    const failure = { code: "damaged", message: "object log/… is damaged" };
    for (const stored of [
      drill(5000, [table("orders"), table("carts", false)]),
      drill(6000, [], { ok: false, failure, server: null }),
    ]) {
      expect(await readDrill(store, await putDrill(store, stored))).toMatchObject(stored);
    }
    const names = [
      "drills/000000000006000-0123456789ab.json",
      "drills/000000000005000-0123456789ab.json",
    ];
    expect(await listDrills(store)).toEqual(names);
  });

  test("once: a second one of the same name is refused", async () => {
    await putDrill(store, drill(5000, []));
    await expect(putDrill(store, drill(5000, []))).rejects.toThrow(ObjectExists);
  });

  test("under its own name, whole, or it is damaged", async () => {
    const name = await putDrill(store, drill(5000, []));
    const bytes = await store.get(name);
    const cut = await copyOf(store, { [name]: bytes.subarray(0, -1) });
    await expect(readDrill(cut, name)).rejects.toThrow(`object ${name} is damaged`);
    const other = name.replace("5000", "5001");
    const moved = await copyOf(store, { [other]: bytes });
    await expect(readDrill(moved, other)).rejects.toThrow("its name and its content differ");
  });
});

describe("what drills prove", () => {
  const tables = ["orders", "carts"];
  const read = (present = tables, all = tables) => readProofs(store, all, present);

  test("is nothing without one", async () => {
    expect(await read()).toEqual({
      tables: new Map(),
      failed: new Map(),
      widest: undefined,
      lastFailed: undefined,
      damaged: [],
    });
  });

  test("is of each table what its newest good drill says", async () => {
    await putDrill(store, drill(20_000, [table("orders"), table("carts")]));
    await putDrill(store, drill(30_000, [table("orders")]));
    const proofs = await read();
    expect([...proofs.tables]).toEqual([
      ["orders", { instant: 20_000, done: 30_000 }],
      ["carts", { instant: 10_000, done: 20_000 }],
    ]);
    expect(proofs.widest).toEqual({ instant: 10_000, done: 20_000, tables: 2 });
  });

  test("is as wide as the widest drill, where none has all tables; of several the newest", async () => {
    await putDrill(store, drill(20_000, [table("orders")]));
    await putDrill(store, drill(30_000, [table("carts")]));
    expect((await read()).widest).toEqual({ instant: 20_000, done: 30_000, tables: 1 });
  });

  test("does not count a table that is gone; its own proof stays", async () => {
    await putDrill(store, drill(20_000, [table("orders"), table("carts")]));
    await putDrill(store, drill(30_000, [table("orders")]));
    const proofs = await read(["orders"]);
    expect(proofs.widest).toEqual({ instant: 20_000, done: 30_000, tables: 1 });
    expect(proofs.tables.get("carts")).toEqual({ instant: 10_000, done: 20_000 });
  });

  test("is told apart from what failed since: a table that was equal in a failed drill is proven", async () => {
    await putDrill(store, drill(20_000, [table("orders"), table("carts")]));
    const failed = drill(30_000, [table("orders"), table("carts", false)]);
    await putDrill(store, failed);
    const proofs = await read();
    expect(proofs.tables.get("orders")?.done).toBe(30_000);
    expect(proofs.tables.get("carts")?.done).toBe(20_000);
    expect([...proofs.failed.keys()]).toEqual(["carts"]);
    expect(proofs.lastFailed).toMatchObject(failed);
    await putDrill(store, drill(40_000, [table("carts")]));
    const later = await read();
    expect([later.failed.size, later.lastFailed]).toEqual([0, undefined]);
  });

  test("is nothing where a drill cannot be read; that is told", async () => {
    const name = await putDrill(store, drill(20_000, [table("orders"), table("carts")]));
    const text = (await store.get(name)).toString().replace("2.4.4", "2.4.5");
    store = await copyOf(store, { [name]: Buffer.from(text) });
    await putDrill(store, drill(10_000, [table("orders")]));
    const proofs = await read();
    expect(proofs.damaged.map(({ message }) => message)).toEqual([
      `object ${name} is damaged: it fails its checksum`,
    ]);
    expect([...proofs.tables.keys()]).toEqual(["orders"]);
  });

  test("is found without reading what is older than it needs", async () => {
    for (let i = 1; i <= 9; i += 1)
      await putDrill(
        store,
        drill(
          i * 1000,
          tables.map((id) => table(id)),
        ),
      );
    const asked: string[] = [];
    const counting = overriding(store, {
      get: (name, range) => {
        asked.push(name);
        return store.get(name, range);
      },
    });
    await readProofs(counting, tables, tables);
    expect(asked).toEqual(["drills/000000000009000-0123456789ab.json"]);
    asked.length = 0;
    await readProofs(counting, [...tables, "never drilled"], tables);
    expect(asked).toHaveLength(9);
  });
});
