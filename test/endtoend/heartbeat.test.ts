/** A server that stands still, and a capture that is asked to end meanwhile. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { Stage, stop, tableOf, until } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({ faults: true });
  await stage.query(r.dbCreate("still"));
  await stage.query(r.db("still").tableCreate("rows"));
  await stage.query(r.db("still").table("rows").insert({ id: 1 }));
});

afterAll(() => stage.close());

test("a server that stands still past the heartbeat leaves a gap, and is resynced when it goes on", async () => {
  const repo = stage.repo("still");
  const run = stage.capture(repo, "--include", "still.*");
  await stage.untilExactNow(repo, "still.rows");
  await stage.pauseServer();
  await until("the heartbeat is missed", () => run.stderr().includes("heartbeat missed"), 40_000);
  await stage.resumeServer();
  await stage.query(r.db("still").table("rows").insert({ id: 2 }));
  const now = await stage.untilExactNow(repo, "still.rows");
  const gaps = tableOf(now, "still.rows")!.intervals.filter((one) => one.class !== "exact");
  expect(gaps.at(0)).toMatchObject({
    class: "gap",
    reason: expect.stringContaining("heartbeat missed"),
  });
  await stage.restore(repo, "--db", "still", "--rename", "still=went_on");
  expect(await stage.texts("went_on", "rows")).toEqual(await stage.texts("still", "rows"));
  expect((await stop(run)).status).toBe(0);
}, 120_000);

test("the second signal ends a capture at once, even while the server stands still", async () => {
  const repo = stage.repo("twice");
  const run = stage.capture(repo, "--include", "still.*");
  await stage.untilExactNow(repo, "still.rows");
  await stage.pauseServer();
  try {
    run.process.kill("SIGTERM");
    await until("the first is heard", () => run.stderr().includes("once more to end at once"));
    run.process.kill("SIGTERM");
    expect((await run.finished).status).toBe(143);
  } finally {
    await stage.resumeServer();
  }
});
