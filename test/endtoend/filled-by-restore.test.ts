/** A restore into the server that is captured: its tables are found, copied and followed while they are being filled. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { boundMs, brokenChains } from "./judge.js";
import { Stage, stop } from "./stage.js";

/** Enough that the copy begins while the restore still writes. */
const documents = 30_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  for (let from = 0; from < documents; from += 3000) {
    const some = Array.from({ length: 3000 }, (_, i) => ({ id: from + i, pad: "é".repeat(60) }));
    await stage.query(r.db("shop").table("orders").insert(some, { durability: "soft" }));
  }
});

afterAll(() => stage.close());

test("a table that a restore fills while it is copied has whole chains, and comes out as the first", async () => {
  const repo = stage.repo("filled");
  const run = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
  const { restored } = await stage.restore(repo, "--db", "shop", "--rename", "shop=shop_again");
  expect(restored).toMatchObject([{ documents, matches: true }]);
  await stage.untilExact(repo, Date.now() + boundMs, "shop_again.orders", "shop.orders");
  expect((await stop(run)).status).toBe(0);
  expect(await brokenChains(repo)).toEqual([]);
  const once = ["--db", "shop_again", "--rename", "shop_again=shop_twice"];
  const again = await stage.restore(repo, ...once);
  expect(again.restored).toMatchObject([{ documents, matches: true }]);
}, 180_000);
