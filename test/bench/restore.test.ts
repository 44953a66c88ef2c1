import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { r } from "../server/driver.js";
import { startServer } from "../server/find-server.js";
import { loadOrders } from "./orders.js";
import { benchRestore } from "./restore.js";

test("the case of restores runs on a server that other cases have used, and leaves what they made", async () => {
  const server = await startServer();
  const scratch: string[] = [];
  const connection = await r.connect(server);
  try {
    const made: [string, string][] = [
      ["bench", "large"],
      ["changing", "orders"],
    ];
    for (const [db, table] of made) await loadOrders(server, db, table, 10);
    await benchRestore({
      documents: 30,
      rounds: 1,
      seconds: 1,
      tables: 0,
      scratch,
      server: async () => server,
    });
    const databases = (await r.dbList().run(connection)) as string[];
    expect(databases.filter((db) => !["rethinkdb", "test"].includes(db)).sort()).toEqual([
      "bench",
      "changing",
    ]);
    for (const [db, table] of made) {
      expect(await r.db(db).table(table).count().run(connection)).toBe(10);
    }
  } finally {
    await connection.close();
    await server.stop();
    for (const directory of scratch) await rm(directory, { recursive: true, force: true });
  }
});
