/** The data of the demo: customers, their orders, and a writer that goes on while the story is told. */
import { type DriverConnection, r } from "../server/driver.js";

const customers = 200;
const firstOrders = 4000;
const batchDocuments = 500;
const pauseBetweenWritesMs = 25;

export const orders = r.db("shop").table("orders");
export const ordersBefore = r.db("shop").table("orders_before");

export function customerId(number: number): string {
  return `customer-${String(number % customers).padStart(3, "0")}`;
}

/** Makes the tables and fills them. Returns the number of documents. */
export async function loadOrderBook(connection: DriverConnection): Promise<number> {
  const run = (term: { run(on: DriverConnection): Promise<unknown> }) => term.run(connection);
  await run(r.dbCreate("shop"));
  await run(r.db("shop").tableCreate("customers"));
  await run(r.db("shop").tableCreate("orders"));
  await run(orders.indexCreate("customer"));
  await run(orders.indexWait("customer"));
  const people = Array.from({ length: customers }, (_, number) => ({
    id: customerId(number),
    name: `Customer ${number}`,
    since: new Date(Date.UTC(2020, number % 12, 1 + (number % 28))),
    home: r.point((number % 360) - 180, (number % 160) - 80),
  }));
  await run(r.db("shop").table("customers").insert(people));
  for (let first = 0; first < firstOrders; first += batchDocuments) {
    const batch = Array.from({ length: batchDocuments }, (_, i) => order(first + i));
    await run(orders.insert(batch));
  }
  return customers + firstOrders;
}

function order(number: number) {
  return {
    id: `order-${String(number).padStart(6, "0")}`,
    customer: customerId(number * 7),
    ordered: new Date(Date.UTC(2026, 0, 1) + number * 60_000),
    lines: Array.from({ length: 1 + (number % 2) }, (_, i) => ({
      article: `article-${(number * 13 + i) % 97}`,
      quantity: 1 + ((number + i) % 5),
      price: (100 + ((number * 31 + i) % 900)) / 100,
    })),
    deliverTo: r.point((number % 360) - 180, (number % 160) - 80),
    state: "new",
  };
}

/** Writes new orders and ships old ones, one after the other, until it is stopped. */
export class Writer {
  writes = 0;
  private stopping = false;
  private done: Promise<void> = Promise.resolve();

  constructor(private readonly connection: DriverConnection) {}

  /** Writes to the orders of all customers but `sparing`. */
  start(sparing?: string): void {
    this.stopping = false;
    this.done = this.writeOn(sparing);
    // Whoever stops the writer gets the rejection.
    this.done.catch(() => undefined);
  }

  /** Resolves when the last write is acknowledged; rejects if one failed. */
  stop(): Promise<void> {
    this.stopping = true;
    return this.done;
  }

  private async writeOn(sparing: string | undefined): Promise<void> {
    while (!this.stopping) {
      this.writes += 1;
      const made = order(firstOrders + this.writes);
      if (made.customer !== sparing) await orders.insert(made).run(this.connection);
      const shipped = order(this.writes % firstOrders);
      if (shipped.customer !== sparing) {
        const change = { state: "shipped", shipped: r.now() };
        await orders.get(shipped.id).update(change).run(this.connection);
      }
      await new Promise((resolve) => setTimeout(resolve, pauseBetweenWritesMs));
    }
  }
}

/** A table's documents as the server's own JSON texts, in the order of their keys. */
export async function documentTexts(
  connection: DriverConnection,
  table: typeof orders,
): Promise<string[]> {
  const texts = table
    .orderBy({ index: "id" })
    .map((document: typeof orders) => document.toJsonString())
    .coerceTo("array");
  return (await texts.run(connection)) as string[];
}
