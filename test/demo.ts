/**
 * The demo: a shop loses a customer's orders and gets them back. Needs no service on the machine: the server is
 * whichever test/server/find-server.ts can start. Ends with status 1 if what was restored is not what was there.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cleanup } from "./demo/cleanup.js";
import {
  customerId,
  documentTexts,
  loadOrderBook,
  orders,
  ordersBefore,
  Writer,
} from "./demo/order-book.js";
import { cli, type Running, start, untilStatus } from "./endtoend/cli.js";
import { type DriverConnection, r } from "./server/driver.js";
import { startServer, type TestServer } from "./server/find-server.js";

const cleanup = new Cleanup();
/** Long enough for the feed to deliver what was written before it. */
const settleMs = 500;

const say = (text = "") => console.log(text);
const count = (documents: number) => documents.toLocaleString("en-US");

async function story(): Promise<void> {
  const began = performance.now();
  say("1. A RethinkDB server to back up.");
  const server = await ownServer();
  const connection = await connectTo(server);
  say(`   It listens at ${server.host}:${server.port}.`);
  const loaded = await loadOrderBook(connection);
  say(`   Database shop now has customers and orders: ${count(loaded)} documents, one index.`);

  const directory = await mkdtemp(join(tmpdir(), "thinkback-demo-"));
  cleanup.add("remove the demo's directory", () => rm(directory, { recursive: true, force: true }));
  const repository = join(directory, "repository");
  const address = `rethinkdb://${server.host}:${server.port}`;
  say("\n2. Capture begins, as a process of its own.");
  const capture = await startCapture(address, repository);
  say("   Both tables are live: each has a base, and every change since is in the log.");

  const writer = new Writer(connection);
  writer.start();
  cleanup.add("stop the writer", () => writer.stop().catch(() => undefined));
  await sleep(3000);
  await writer.stop();
  await sleep(settleMs);
  const wanted = await documentTexts(connection, orders);
  const instant = new Date().toISOString();
  say(`\n3. The shop goes on: ${count(writer.writes)} rounds of new and shipped orders.`);
  say(`   At ${instant} the table holds ${count(wanted.length)} orders.`);
  say("   (The writer waited for a moment, so that there is one true answer to compare with.)");

  const victim = customerId(17);
  await sleep(settleMs);
  const lost = await deleteOrdersOf(victim, connection);
  writer.start(victim);
  say("\n4. The mistake:");
  say(`   r.db("shop").table("orders").getAll("${victim}", {index: "customer"}).delete()`);
  say(`   ${lost.length} orders of ${victim} are gone. The shop goes on writing.`);

  await whileRunning(
    capture,
    untilStatus(repository, ({ tables }) => {
      const table = tables.find(({ name }) => name === "shop.orders");
      return (table?.lastRestorable ?? "") >= `${instant.slice(0, -1)}+00:00`;
    }),
  );
  say("\n5. What can be restored:");
  await show(["status", "--repo", repository]);
  say("\n6. One lost order, as it was:");
  await show(["show", "shop.orders", lost[0]!, "--repo", repository, "--at", instant]);

  say("\n7. The whole table, as it was before the mistake, beside the live one:");
  const choice = `--table shop.orders --rename shop.orders=shop.orders_before --at ${instant}`;
  await show(["restore", "--repo", repository, "--target", address, ...choice.split(" ")]);
  await writer.stop();
  const restored = await documentTexts(connection, ordersBefore);
  compare(wanted, restored);

  say("\n8. Put back what was lost:");
  say(`   r.db("shop").table("orders").insert(`);
  say(
    `     r.db("shop").table("orders_before").getAll("${victim}", {index: "customer"}).coerceTo("array"))`,
  );
  const found = ordersBefore.getAll(victim, { index: "customer" }).coerceTo("array");
  await orders.insert(found).run(connection);
  const back = (await ordersOf(victim, connection)).length;
  if (back !== lost.length) throw new Error(`${back} orders came back of ${lost.length}`);
  say(`   ${back} orders of ${victim} are there again; nothing else in the table was touched.`);
  say(
    `\nThat took ${((performance.now() - began) / 1000).toFixed(0)} s. Next, with a server of your own:`,
  );
  say("   node dist/cli/main.js run --source rethinkdb://127.0.0.1:28015 --repo ./backup");
  say("   node dist/cli/main.js status --repo ./backup");
  say("   node dist/cli/main.js restore --repo ./backup --dry-run");
  say("   docs/operations.md has every command, docs/format.md what lies in the repository.");
}

async function ownServer(): Promise<TestServer> {
  const starting = startServer();
  cleanup.add("stop the server", async () => (await starting).stop());
  return starting;
}

async function connectTo(server: TestServer): Promise<DriverConnection> {
  const connection = await r.connect({ host: server.host, port: server.port });
  connection.on("error", () => undefined);
  cleanup.add("close the connection", () => connection.close());
  return connection;
}

async function startCapture(address: string, repository: string): Promise<Running> {
  const args = ["run", "--source", address, "--repo", repository];
  say(`   $ node dist/cli/main.js ${args.join(" ")}`);
  const capture = start(args);
  cleanup.add("stop the capture", async () => {
    capture.process.kill("SIGTERM");
    await capture.finished;
  });
  const bothLive = untilStatus(
    repository,
    ({ tables }) => tables.length === 2 && tables.every(({ state }) => state === "live"),
  );
  await whileRunning(capture, bothLive);
  return capture;
}

/** `work`, or the error of a capture that ended meanwhile. */
async function whileRunning<T>(capture: Running, work: Promise<T>): Promise<T> {
  const ended = capture.finished.then(({ stderr }): never => {
    throw new Error(`the capture ended:\n${stderr}`);
  });
  ended.catch(() => undefined);
  work.catch(() => undefined);
  return Promise.race([work, ended]);
}

/** Runs a command to its end and prints it with its output. */
async function show(args: string[]): Promise<void> {
  const quoted = args.map((arg) => (/^[\w@:/.=+-]+$/.test(arg) ? arg : `'${arg}'`));
  say(`   $ node dist/cli/main.js ${quoted.join(" ")}`);
  const { status, stdout, stderr } = await cli(args);
  const text = `${stderr}${stdout}`.trimEnd();
  say(text.replace(/^(?=.)/gm, "   "));
  if (status !== 0) throw new Error(`thinkback ${args[0]} ended with status ${status}`);
}

async function ordersOf(customer: string, connection: DriverConnection): Promise<string[]> {
  const keys = orders.getAll(customer, { index: "customer" }).getField("id").coerceTo("array");
  return (await keys.run(connection)) as string[];
}

async function deleteOrdersOf(customer: string, connection: DriverConnection): Promise<string[]> {
  const keys = await ordersOf(customer, connection);
  await orders.getAll(customer, { index: "customer" }).delete().run(connection);
  return keys.sort();
}

function compare(wanted: string[], restored: string[]): void {
  const there = new Set(restored);
  const missing = wanted.filter((text) => !there.has(text)).length;
  const equal = missing === 0 && restored.length === wanted.length;
  say(
    `   Compared, document by document: ${count(wanted.length - missing)} of ` +
      `${count(wanted.length)} are equal, ${count(restored.length)} were restored.`,
  );
  if (!equal) throw new Error("what was restored is not what was there");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// A terminal sends its signal to the whole group, and a launcher may relay it: more than one may come.
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => {
    if (!cleanup.begun) console.error(`\n${signal}: cleaning up`);
    void cleanup.run().finally(() => process.exit(status));
  });
}

try {
  await story();
} catch (error) {
  if (!cleanup.begun)
    console.error(`\nThe demo failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await cleanup.run();
}
