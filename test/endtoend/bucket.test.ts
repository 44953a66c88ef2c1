/** The commands as processes, with the repository in a bucket whose server fails now and then. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { FakeS3 } from "../storage/fake-s3.js";
import { useTestCredentials } from "../storage/s3-servers.js";
import { cli, cliJson, status } from "./cli.js";
import { Stage, stop } from "./stage.js";

useTestCredentials();

let stage: Stage;
let fake: FakeS3;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  fake = await FakeS3.start({ isVersioned: true, pageObjects: 100 });
  stage.onClose(() => fake.stop());
  repo = fake.at("backup");
}, 60_000);

afterAll(() => stage.close());

const orders = () => r.db("shop").table("orders");

test("what a capture has stored in a bucket is restored, folded and verified from there", async () => {
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const documents = Array.from({ length: 300 }, (_, id) => ({ id, text: `order ${id}` }));
  await stage.query(orders().insert(documents));
  const run = stage.capture(repo, "--include", "shop.*", "--spool", stage.repo("spool"));
  await stage.untilExactNow(repo, "shop.orders");
  Object.assign(fake.faults, { loseReplyEvery: 23, slowDownEvery: 29, cutBodyEvery: 19 });
  for (let id = 0; id < 50; id += 1) await stage.query(orders().get(id).update({ sent: true }));
  await stage.untilExactNow(repo, "shop.orders");
  expect((await stop(run)).status).toBe(0);
  expect(run.stderr()).not.toContain("another process");

  const restored = await stage.restore(repo, "--db", "shop", "--rename", "shop=again");
  expect(restored.restored.map(({ documents, matches }) => [documents, matches])).toContainEqual([
    300,
    true,
  ]);
  const sent = r.db("again").table("orders").filter({ sent: true }).count();
  expect(await stage.query(sent)).toBe(50);
  await cliJson(["fold", "--repo", repo]);
  expect(await cliJson(["verify", "--repo", repo, "--data"])).toMatchObject({ sound: true });
  expect((await status(repo)).tables.map(({ name }) => name)).toContain("shop.orders");
}, 120_000);

test("a bucket that would overwrite is refused before anything is stored in it", async () => {
  const ignoring = await FakeS3.start();
  ignoring.faults.ignoresConditions = true;
  try {
    const { status: exit, stderr } = await stage.backUp(ignoring.at("backup"));
    expect(exit).toBe(4);
    expect(stderr).toContain("a second object under a taken name is not refused");
    expect(ignoring.bucket.current("", 0)).toEqual([]);
  } finally {
    await ignoring.stop();
  }
});

test("a location that is not understood is a mistake in the command, and shows no secret", async () => {
  for (const [location, what] of [
    ["s3://bucket/p?regoin=eu", "the option regoin is not known"],
    ["s3://id:hushhush@bucket/p", "a location holds no user and no password"],
  ] as const) {
    const { status: exit, stderr } = await cli(["status", "--repo", location]);
    expect(exit).toBe(2);
    expect(stderr).toContain(what);
    expect(stderr).not.toContain("hushhush");
  }
});
