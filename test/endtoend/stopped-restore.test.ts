/** A restore that a signal stops: it ends in order, and says what the target has and how to go on. */
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, type Running, start } from "./cli.js";
import { Stage, until } from "./stage.js";

let stage: Stage;
let repo: string;
const largeDocuments = 40_000;

beforeAll(async () => {
  stage = await Stage.open({ faults: true });
  repo = stage.repo("shop's repository");
  await stage.query(r.dbCreate("shop"));
  for (const [name, documents] of [
    ["a_small", 10],
    ["b_large", largeDocuments],
    ["c_small", 10],
  ] as const) {
    const table = r.db("shop").table(name);
    await stage.query(r.db("shop").tableCreate(name, { durability: "soft" }));
    await stage.query(
      table.insert(r.range(documents).map((id: unknown) => ({ id, text: "x".repeat(300) }))),
    );
  }
  const hook = (_context: unknown, _old: unknown, now: unknown) => now;
  await stage.query(r.db("shop").table("a_small").setWriteHook(hook));
  expect((await stage.backUp(repo)).status).toBe(0);
});

afterAll(() => stage.close());

/** Begins a restore of the database under another name. */
function begin(as: string, ...more: string[]): Running {
  const given = ["--repo", repo, "--target", stage.address, "--db", "shop"];
  return start(["restore", ...given, "--rename", `shop=${as}`, ...more]);
}

const tablesOf = async (db: string): Promise<string[]> =>
  (await stage.query<string[]>(r.dbList())).includes(db)
    ? stage.query<string[]>(r.db(db).tableList())
    : [];

const holds = () => readdir(`${repo}/holds`).catch(() => []);

/** Of the large table; 0 also while it is being made. */
const documentsOf = (db: string) =>
  (r.db(db).table("b_large").count().run(stage.connection) as Promise<number>).catch(() => 0);

const untilLargeIsBegun = (db: string, documents = 0) =>
  until("the large table is being written", async () => (await documentsOf(db)) > documents);

/** The first table is complete, and the large one is being written. */
async function untilFirstIsComplete(db: string): Promise<void> {
  await untilLargeIsBegun(db);
  const hookOf = (name: string) => r.db(name).table("a_small").getWriteHook()("query");
  const hook = await stage.query<string>(hookOf("shop"));
  await until(
    "the first table is complete",
    async () => (await stage.query<string>(hookOf(db))) === hook,
  );
}

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s: it says what is complete, half-filled and not begun; given again, it restores the rest",
  async (signal) => {
    const db = `back_${signal}`;
    const running = begin(db);
    await untilFirstIsComplete(db);
    running.process.kill(signal);
    const { status, stdout, stderr } = await running.finished;
    expect(stderr).toContain(`${signal}: ending the restore; send the signal once more`);
    expect(stderr).toContain(
      `the restore was stopped before its end; 1 of 3 tables complete; half-filled: ${db}.b_large, ${db}.c_small`,
    );
    expect(stdout).toMatch(new RegExp(`^${db}\\.a_small +10 .* equal$`, "m"));
    expect(status).toBe(12);
    expect(await holds()).toEqual([]);
    // A complete table has its write hook too.
    expect(await stage.query(r.db(db).table("a_small").getWriteHook())).not.toBeNull();
    // Nothing is written any more.
    const large = r.db(db).table("b_large");
    const documents = await stage.query<number>(large.count());
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await stage.query(large.count())).toBe(documents);
    expect(documents).toBeLessThan(largeDocuments);

    expect(stderr).toContain("give the same command again: it goes on where it was stopped");
    const rest = await begin(db).finished;
    expect(rest.stdout).toContain(
      `an earlier run of this restore was ended; this one goes on (complete already: ${db}.a_small; half-filled: `,
    );
    expect(rest.stdout).toMatch(new RegExp(`^${db}\\.b_large +40,000 .* equal$`, "m"));
    expect(rest.stderr + rest.status).toBe("0");
    expect((await tablesOf(db)).sort()).toEqual(["a_small", "b_large", "c_small"]);
    expect(await stage.query(large.count())).toBe(largeDocuments);
  },
);

test("with --json the report and the error are JSON", async () => {
  const file = stage.repo("report.json");
  const running = begin("as_json", "--json", "--report", file);
  await untilFirstIsComplete("as_json");
  running.process.kill("SIGTERM");
  const { status, stdout, stderr } = await running.finished;
  expect(status).toBe(12);
  expect(JSON.parse(stdout)).toMatchObject({
    restored: [{ to: "as_json.a_small", documents: 10, matches: true }],
    halfFilled: ["as_json.b_large", "as_json.c_small"],
    notBegun: [],
  });
  const report = JSON.parse(await readFile(file, "utf8")) as { error: object; requests: object };
  const { error: told, requests } = report;
  // The file is written when all is done: the hold is deleted by then.
  expect(report).toEqual({ ...JSON.parse(stdout), state: "failed", error: told, requests });
  const [, error = ""] = stderr.trim().split("\n");
  expect(JSON.parse(error)).toEqual({ error: report.error });
  expect(JSON.parse(error)).toMatchObject({ error: { code: "incomplete" } });
});

test("a target that stands still holds the end up for ten seconds at most, or until the second signal", async () => {
  for (const twice of [false, true]) {
    const db = `still_${String(twice)}`;
    const running = begin(db);
    await untilLargeIsBegun(db);
    await stage.pauseServer();
    try {
      running.process.kill("SIGTERM");
      await until("it has told", () => running.stderr().includes("SIGTERM: ending the restore"));
      if (twice) running.process.kill("SIGTERM");
      const { status, stderr } = await running.finished;
      expect([status, stderr.includes("half-filled: ")]).toEqual(twice ? [143, false] : [12, true]);
    } finally {
      await stage.resumeServer();
    }
    // The hold of a process that ended at once lapses.
    expect((await holds()).length > 0).toBe(twice);
  }
});

const insert = { id: "mine" };

test("killed again and again, it goes on, writes nothing twice, and ends whole", async () => {
  const db = "killed";
  let reached = 0;
  for (let kills = 0; kills < 3; kills += 1) {
    const running = begin(db);
    await untilLargeIsBegun(db, reached + 5000);
    running.process.kill("SIGKILL");
    await running.finished;
    reached = await documentsOf(db);
    // Nobody else writes to a half-filled table.
    expect(await stage.query(r.db(db).table("b_large").insert(insert))).toMatchObject({
      errors: 1,
      first_error: expect.stringContaining("this table is being restored, and is not whole"),
    });
  }
  expect(reached).toBeGreaterThan(0);
  expect(reached).toBeLessThan(largeDocuments);
  const { status, stdout } = await begin(db, "--json").finished;
  expect(status).toBe(0);
  const { restored, earlier } = JSON.parse(stdout) as {
    restored: { to: string; already: number; documents: number; matches: boolean }[];
    earlier: string[];
  };
  expect(earlier).toEqual([`${db}.a_small`]);
  const [large] = restored.filter(({ to }) => to === `${db}.b_large`);
  // The server has done by then what it had been sent.
  expect(large!.already).toBeGreaterThanOrEqual(reached);
  expect(large).toMatchObject({ documents: largeDocuments, matches: true });
  expect(await stage.query(r.db(db).table("b_large").insert(insert))).toMatchObject({
    inserted: 1,
  });
  expect(await stage.query(r.db(db).table("a_small").getWriteHook())).not.toBeNull();
  expect(await stage.query(r.db(db).table("b_large").getWriteHook())).toBeNull();
  // A restore that has ended is none that goes on.
  const again = await begin(db).finished;
  expect(again.stderr).toContain(
    `the target has ${db}.a_small, ${db}.b_large, ${db}.c_small already`,
  );
  expect(again.status).toBe(7);
}, 120_000);

test("a table of somebody else, or of another restore, is never touched", async () => {
  const db = "foreign";
  const running = begin(db);
  await untilFirstIsComplete(db);
  running.process.kill("SIGKILL");
  await running.finished;
  const other = await begin(db, "--key", "1").finished;
  expect(other.stderr).toContain("half-filled by another restore");
  expect(other.status).toBe(7);
  // Somebody takes the place of a table that was complete.
  await stage.query(r.db(db).tableDrop("a_small"));
  await stage.query(r.db(db).tableCreate("a_small"));
  await stage.query(r.db(db).table("a_small").insert(insert));
  const refused = await begin(db).finished;
  expect(refused.stderr).toContain(`the target has ${db}.a_small already`);
  expect(refused.status).toBe(7);
  expect(await stage.query(r.db(db).table("a_small").coerceTo("array"))).toEqual([insert]);
  expect(await documentsOf(db)).toBeLessThan(largeDocuments);
  // When it is out of the way, it goes on.
  await stage.query(r.db(db).tableDrop("a_small"));
  const { status, stdout } = await begin(db).finished;
  expect([status, stdout]).toEqual([0, expect.stringMatching(/a_small +10 .* equal/)]);
}, 120_000);

const reconfigure = (db: string, table: string) =>
  stage.query(r.db(db).table(table).reconfigure({ shards: 2, replicas: 1 }));
const hookOf = (db: string, table: string) =>
  stage.query<{ query: string } | null>(r.db(db).table(table).getWriteHook());
const isTagged = async (db: string, table: string) =>
  (await hookOf(db, table))?.query.includes("being restored") === true;

test.each(["b_large", "c_small"])(
  "the tag of %s, which a reconfiguration drops, is put back: it is known to be half-filled",
  async (table) => {
    const db = `reconfigured_${table}`;
    const running = begin(db, "--max-rate", "5000");
    await untilLargeIsBegun(db, 100);
    await reconfigure(db, table);
    expect(await isTagged(db, table)).toBe(false);
    // A table that is just being reconfigured may not take a write: then the restore ends.
    await until("the tag is back", () => isTagged(db, table));
    running.process.kill("SIGKILL");
    await running.finished;
    const large = r.db(db).table("b_large");
    await stage.query(large.wait());
    expect(await stage.query(large.insert(insert))).toMatchObject({ errors: 1 });
    const [promoted, other] = await Promise.all([
      cli(["promote", `${db}.b_large`, "--target", stage.address, "--as", "shop.b_large"]),
      begin(db, "--key", "1").finished,
    ]);
    expect(promoted.status).not.toBe(0);
    expect(other).toMatchObject({ status: 7, stderr: expect.stringContaining("half-filled by") });
    const rest = await begin(db).finished;
    expect(rest.stdout).toMatch(new RegExp(`^${db}\\.b_large +40,000 .* equal$`, "m"));
    expect([rest.status, await stage.query(large.count())]).toEqual([0, largeDocuments]);
    expect(await hookOf(db, "c_small")).toBeNull();
    expect(await hookOf(db, "a_small")).not.toBeNull();
  },
  120_000,
);

test("a half-filled table that lost its tag just before the restore was killed is not taken for a whole one", async () => {
  const db = "lost";
  const running = begin(db);
  await untilFirstIsComplete(db);
  running.process.kill("SIGKILL");
  await running.finished;
  await reconfigure(db, "b_large");
  expect(await isTagged(db, "b_large")).toBe(false);
  const rest = await begin(db).finished;
  expect(rest.stdout).toContain(`complete already: ${db}.a_small; half-filled: ${db}.b_large`);
  expect(rest.stdout).toMatch(new RegExp(`^${db}\\.b_large +40,000 .* equal$`, "m"));
  expect(rest.status).toBe(0);
}, 120_000);
