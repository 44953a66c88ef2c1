/**
 * One table that cannot be captured for a defect, on a real server: the primary key of a table may be called $reql_type$,
 * and the query of a proof that names it is refused, because that is how the server marks its own types.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, status, untilStatus } from "./cli.js";
import { Stage, stop, tableOf, until } from "./stage.js";

const why = /Field `\$reql_type\$` must be a string/;
const told = "a defect has stopped the capture of the table";
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  const shop = r.db("shop");
  await stage.query(shop.tableCreate("orders"));
  await stage.query(shop.tableCreate("odd", { primaryKey: "$reql_type$" }));
  await stage.query(shop.table("orders").insert([{ id: 1 }, { id: 2 }]));
});

afterAll(() => stage.close());

interface LogLine {
  level: number;
  msg: string;
  table?: string;
  reason?: string;
  stack?: string;
}

function errorLines(stderr: string): LogLine[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as LogLine).filter(({ level }) => level >= 50);
}

test("a one-shot backup copies the others, and ends with status 12, the table's name and the reason", async () => {
  const repo = stage.repo("once");
  const finished = await stage.backUp(repo, "--include", "shop.*");
  expect(finished.status).toBe(12);
  expect(finished.stderr).toMatch(/not every table could be captured: shop\.odd: .*must be a str/);
  expect(finished.stderr).toContain("→ what was captured is kept");
  const now = await status(repo);
  expect(tableOf(now, "shop.orders")).toMatchObject({ state: "live", documents: 2, stopped: null });
  expect(tableOf(now, "shop.odd")).toMatchObject({
    state: "stopped",
    stopped: { since: expect.any(String), reason: expect.stringMatching(why) },
    lastRestorable: null,
  });
  const to = ["--table", "shop.orders", "--rename", "shop.orders=then.once"];
  await stage.restore(repo, ...to);
  expect([...(await stage.texts("then", "once")).keys()]).toEqual(["1", "2"]);
});

test("a capture tells it once, captures the others, and goes on when the table is dropped", async () => {
  const repo = stage.repo("run");
  const run = stage.capture(repo, "--include", "shop.*");
  await until("it is told", () => run.stderr().includes(told));
  await stage.query(r.db("shop").table("orders").insert({ id: 3 }));
  const now = await stage.untilExactNow(repo, "shop.orders");
  expect(tableOf(now, "shop.odd")).toMatchObject({ state: "stopped" });
  const lines = errorLines(run.stderr());
  expect(lines).toEqual([
    expect.objectContaining({
      table: "shop.odd",
      reason: expect.stringMatching(why),
      stack: expect.stringMatching(/ReqlError: .*\n(.*\n)* {4}at /),
      msg: expect.stringContaining("all others go on"),
    }),
  ]);
  const { stdout } = await cli(["status", "--repo", repo]);
  expect(stdout).toMatch(
    /THE CAPTURE OF shop\.odd IS STOPPED since .* by a defect: .*must be a st/,
  );
  expect(stdout).toContain("nothing of it can be restored until it is captured again");

  await stage.query(r.db("shop").tableDrop("odd"));
  const { id } = tableOf(now, "shop.odd")!;
  await untilStatus(repo, ({ tables }) =>
    tables.some((table) => table.id === id && table.state === "dropped" && table.stopped === null),
  );
  await stage.untilExactNow(repo, "shop.orders");
  expect((await stop(run)).status).toBe(0);
}, 120_000);
