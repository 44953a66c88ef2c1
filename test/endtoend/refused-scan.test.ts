import { expect, test } from "vitest";
import { r } from "../server/driver.js";
import { status } from "./cli.js";
import { nextInstant, Stage, stop, tableOf, until } from "./stage.js";

const reason = "Cannot perform read";

// A real server refuses reads, and opens feeds all the same, only while it elects a primary.
test("a scan that the server refuses is tried ever more seldom, and told once", async () => {
  const stage = await Stage.open({ simulated: true });
  try {
    const repo = stage.repo("refused-scan");
    await stage.query(r.dbCreate("shop"));
    await stage.query(r.db("shop").tableCreate("orders"));
    await stage.query(r.db("shop").table("orders").insert({ id: 1 }));
    const { cluster } = stage.server;
    const id = cluster!.tableId("shop", "orders");
    cluster!.refuseScans(id, true);
    const run = stage.capture(repo, "--include", "shop.*");
    await until("the refusal is told", () => run.stderr().includes(reason));
    await nextInstant(15_000);
    // Pauses of 0.2, 0.4, 0.8 s and so on: seven in fifteen seconds, and not two and a half a second.
    expect(cluster!.refusedScans(id)).toBeGreaterThan(3);
    expect(cluster!.refusedScans(id)).toBeLessThan(12);
    const told = run.stderr().split("cannot be watched now").length - 1;
    expect(told).toBe(1);
    expect(tableOf(await status(repo), "shop.orders")?.state).not.toBe("live");

    cluster!.refuseScans(id, false);
    await stage.untilExactNow(repo, "shop.orders");
    expect((await stop(run)).status).toBe(0);
  } finally {
    await stage.close();
  }
}, 90_000);
