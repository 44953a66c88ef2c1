/** The official driver against the simulated and a real server: connecting, cursors, feeds. */
import { afterEach, expect, test } from "vitest";
import { type DriverConnection, r } from "./driver.js";
import { onEachServer } from "./each-server.js";

interface Cursor {
  toArray(): Promise<unknown[]>;
  next(): Promise<unknown>;
  close(): Promise<void>;
}

onEachServer("the official driver", (bench) => {
  let connection: DriverConnection | undefined;
  afterEach(async () => {
    await connection?.close();
  });

  test("writes, reads over several batches, and watches", async () => {
    const { host, port } = bench().server;
    connection = await r.connect({ host, port });
    await r.dbCreate("driver").run(connection);
    await r.db("driver").tableCreate("t").run(connection);
    const table = r.db("driver").table("t");
    const documents = Array.from({ length: 500 }, (_, id) => ({ id, text: `number ${id}` }));
    expect(await table.insert(documents).run(connection)).toMatchObject({ inserted: 500 });
    const cursor = (await table
      .orderBy({ index: "id" })
      .run(connection, { maxBatchRows: 64 })) as Cursor;
    expect(await cursor.toArray()).toEqual(documents);
    const feed = (await table.changes().run(connection)) as Cursor;
    await table
      .get(1)
      .update({ at: r.epochTime(1.5) })
      .run(connection);
    expect(await feed.next()).toEqual({
      new_val: { ...documents[1], at: new Date(1500) },
      old_val: documents[1],
    });
    await feed.close();
    await expect(table.get(1)("nope").run(connection)).rejects.toMatchObject({
      name: "ReqlNonExistenceError",
    });
  });
});
