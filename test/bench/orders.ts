import { seededRandom } from "../endtoend/workload.js";
import { r } from "../server/driver.js";

const words =
  "amber basin cedar delta ember fjord grove haven islet jetty knoll ledge maple north".split(" ");

/** Makes a table of generated orders of some 480 bytes, unless there is one. */
export async function loadOrders(
  server: { host: string; port: number },
  db: string,
  table: string,
  count: number,
): Promise<void> {
  const connection = await r.connect(server);
  try {
    const databases = (await r.dbList().run(connection)) as string[];
    if (!databases.includes(db)) await r.dbCreate(db).run(connection);
    const tables = (await r.db(db).tableList().run(connection)) as string[];
    if (tables.includes(table)) return;
    await r.db(db).tableCreate(table).run(connection);
    const random = seededRandom(1);
    for (let at = 0; at < count; at += 1000) {
      const orders = Array.from({ length: Math.min(1000, count - at) }, (_, i) =>
        order(at + i, random),
      );
      const insert = r
        .db(db)
        .table(table)
        .insert(r.json(JSON.stringify(orders)));
      await insert.run(connection, { durability: "soft" });
    }
    await r.db(db).table(table).sync().run(connection);
  } finally {
    await connection.close();
  }
}

export function orderKey(number: number): string {
  return `order-${String(number).padStart(9, "0")}`;
}

/** An order of some 480 bytes. */
export function order(
  number: number,
  random: () => number,
): { id: string; [field: string]: unknown } {
  const pick = () => words[Math.floor(random() * words.length)]!;
  return {
    id: orderKey(number),
    customer: { name: `${pick()} ${pick()}`, number: Math.floor(random() * 10_000) },
    lines: Array.from({ length: 3 }, () => ({
      article: `${pick()}-${pick()}-${Math.floor(random() * 1000)}`,
      price: Math.round(random() * 10_000) / 100,
      quantity: 1 + Math.floor(random() * 9),
    })),
    note: Array.from({ length: 22 }, pick).join(" "),
    placed: { $reql_type$: "TIME", epoch_time: 1_700_000_000 + number, timezone: "+00:00" },
  };
}
