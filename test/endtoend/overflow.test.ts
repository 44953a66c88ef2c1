import { expect, test } from "vitest";
import { r } from "../server/driver.js";
import { Stage, stop, tableOf, until } from "./stage.js";

// A real server delivers some 5,000 changes a second to a feed and queues 100,000, so that it overflows only after
// the heartbeat was missed; with the simulated one overflows come on demand.
test("a feed that overflows is a gap, and is resynced", async () => {
  const stage = await Stage.open({ simulated: true });
  try {
    const repo = stage.repo("overflow");
    await stage.query(r.dbCreate("overflow"));
    await stage.query(r.db("overflow").tableCreate("busy"));
    const run = stage.capture(repo, "--include", "overflow.*");
    const { tables } = await stage.untilExactNow(repo, "overflow.busy");
    const { cluster } = stage.server;
    for (let id = 0; id < 50; id += 1) cluster!.write("overflow", "busy", { put: { id } });
    cluster!.overflow(tables.find(({ name }) => name === "overflow.busy")!.id);
    await until("the overflow is noticed", () => run.stderr().includes("over array size limit"));
    const now = await stage.untilExactNow(repo, "overflow.busy");
    const [before, gap, after] = tableOf(now, "overflow.busy")!.intervals;
    expect([before, after]).toMatchObject([{ class: "exact" }, { class: "exact" }]);
    expect(gap).toMatchObject({
      class: "gap",
      reason: expect.stringContaining("Changefeed cache over array size limit, skipped"),
    });
    await stage.restore(repo, "--db", "overflow", "--rename", "overflow=flowed");
    expect(await stage.texts("flowed", "busy")).toEqual(await stage.texts("overflow", "busy"));
    expect((await stop(run)).status).toBe(0);
  } finally {
    await stage.close();
  }
});
