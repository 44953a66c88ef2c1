/** The primary key of a table may be called as the server marks its own types: no query of ours may trip over it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { status } from "./cli.js";
import { Stage, tableOf } from "./stage.js";

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

test("a table whose primary key is called $reql_type$ is captured, and so are the others", async () => {
  const repo = stage.repo("odd");
  const finished = await stage.backUp(repo, "--include", "shop.*");
  expect(finished.stderr + finished.status).toMatch(/capture ended.*\n0$/);
  const now = await status(repo);
  expect(tableOf(now, "shop.orders")).toMatchObject({ state: "live", documents: 2 });
  expect(tableOf(now, "shop.odd")).toMatchObject({ state: "live", documents: 0, stopped: null });
});
