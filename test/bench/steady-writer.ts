/** A writer that updates documents of generated orders at an even rate. */
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../server/driver.js";
import { orderKey } from "./orders.js";

export interface SteadyLoad {
  db: string;
  table: string;
  documents: number;
  changesPerSecond: number;
  writesPerSecond: number;
  seconds: number;
}

/** Writes for so many seconds; resolves with how many documents it has changed. Falls behind if the server does. */
export async function writeSteadily(
  { host, port }: { host: string; port: number },
  load: SteadyLoad,
): Promise<number> {
  const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "target");
  const connection = new Connection(await dial());
  const { db, table, documents, changesPerSecond, writesPerSecond, seconds } = load;
  const perWrite = changesPerSecond / writesPerSecond;
  const began = performance.now();
  let written = 0;
  for (let write = 0; write < seconds * writesPerSecond; write += 1) {
    const wait = began + (write * 1000) / writesPerSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const keys = Array.from({ length: perWrite }, (_, i) => orderKey((written + i) % documents));
    const update = r.db(db).table(table).getAll(r.args(keys)).update({ written: write });
    await connection.rows(update as unknown as Parameters<Connection["rows"]>[0], {
      durability: "soft",
    });
    written += perWrite;
  }
  connection.close();
  return written;
}
