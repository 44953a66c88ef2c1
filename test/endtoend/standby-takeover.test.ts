/** Two processes follow one after the other: the first stands still amidst a write, and wakes when the second goes on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { Follow } from "./follow-process.js";
import { HeldWay } from "./held-way.js";
import { boundMs } from "./judge.js";
import { otherMachine } from "./other-machine.js";
import { iso, nextInstant, Stage, until } from "./stage.js";

let source: Stage;
let standby: Stage;
let repo: string;
const orders = r.db("shop").table("orders");
const documents = 300;

beforeAll(async () => {
  [source, standby] = [await Stage.open(), await Stage.open()];
  repo = source.repo("repository");
  await source.query(r.dbCreate("shop"));
  await source.query(r.db("shop").tableCreate("orders"));
  const rows = Array.from({ length: documents }, (_, id) => ({ id, n: 0 }));
  await source.query(orders.insert(rows));
  source.capture(repo);
  await source.untilExactNow(repo, "shop.orders");
}, 120_000);

afterAll(async () => {
  await standby.close();
  await source.close();
});

const lots = (fields: object) => source.query(orders.between(0, documents / 2).update(fields));

/** Ends a standby at an instant, and compares it with a restore to that instant and with the source. */
async function endsEqual(env: Record<string, string>): Promise<void> {
  // An exact instant has what was acknowledged two seconds before it.
  const at = await nextInstant(boundMs);
  await nextInstant();
  await source.untilExact(repo, at, "shop.orders");
  const ended = Follow.beginIn(env, standby, repo, "--until", iso(at), "--check");
  const { status, stderr } = await ended.running.finished;
  expect([status, stderr]).toEqual([0, ""]);
  const rename = ["--table", "shop.orders", "--rename", `shop.orders=then.at_${at}`];
  await source.restore(repo, "--at", iso(at), ...rename);
  const then = await source.texts("then", `at_${at}`);
  expect(then).toEqual(await source.texts("shop", "orders"));
  expect(await standby.texts("shop", "orders")).toEqual(then);
}

const index = { make: () => orders.indexCreate("n"), drop: () => orders.indexDrop("n") };

interface Change {
  what: string;
  /** On the source. */
  change: () => Promise<unknown>;
  /** How it looks when it is on its way to the standby. */
  text: string;
  /** Makes what is changed; later it makes it again. */
  before?: () => Promise<unknown>;
}

const changes: Change[] = [
  { what: "a batch of documents", change: () => lots({ n: 1 }), text: "[56," },
  {
    what: "a delete",
    change: () => source.query(orders.between(200, 250).delete()),
    text: "[54,",
  },
  {
    what: "the drop of an index",
    change: () => source.query(index.drop()),
    text: "[76,",
    before: () => source.query(index.make()),
  },
];

test.each(changes)(
  "$what that was on its way is not carried out",
  async ({ change, text, before }) => {
    await before?.();
    const way = await HeldWay.to(standby.server);
    standby.onClose(() => Promise.resolve(way.close()));
    const first = Follow.begin(standby, repo, "--target", way.address);
    await first.caughtUp();
    way.holdFrom('"orders"', text);
    await change();
    await until("the change is on its way", () => way.holds);
    first.running.process.kill("SIGSTOP");

    // Of what the first one would write, everything is different by now.
    const again = Array.from({ length: 50 }, (_, i) => ({ id: 200 + i, n: 2 }));
    await source.query(orders.insert(again, { conflict: "replace" }));
    await lots({ n: 3 });
    await before?.();
    const second = Follow.beginIn(otherMachine, standby, repo);
    await second.caughtUp();
    way.release();
    first.running.process.kill("SIGCONT");
    const { status, stderr } = await first.running.finished;
    expect([status, stderr]).toEqual([11, expect.stringContaining("follows on this target")]);

    // Elsewhere, so that it does not cover what a late write would have left.
    await source.query(orders.between(260, 300).update({ m: 1 }));
    second.running.process.kill("SIGTERM");
    expect((await second.running.finished).status).toBe(0);
    await endsEqual(otherMachine);
    expect(await standby.query(orders.indexList())).toEqual(await source.query(orders.indexList()));
  },
  120_000,
);
