/** A restore that a signal stops: it ends in order, and says what the target has and how to go on. */
import { readdir } from "node:fs/promises";
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

const untilLargeIsBegun = (db: string) =>
  until("the large table is being written", async () => (await tablesOf(db)).includes("b_large"));

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s: it says what is complete, half-filled and not begun; its commands restore the rest",
  async (signal) => {
    const db = `back_${signal}`;
    const running = begin(db);
    await untilLargeIsBegun(db);
    running.process.kill(signal);
    const { status, stdout, stderr } = await running.finished;
    expect(stderr).toContain(`${signal}: ending the restore; send the signal once more`);
    expect(stderr).toContain(
      `the restore was stopped before its end; 1 of 3 tables complete; half-filled: ${db}.b_large; not begun: ${db}.c_small`,
    );
    expect(stdout).toMatch(new RegExp(`^${db}\\.a_small +10 .* equal$`, "m"));
    expect(status).toBe(12);
    expect(await holds()).toEqual([]);
    expect((await tablesOf(db)).sort()).toEqual(["a_small", "b_large"]);
    // A complete table has its write hook too.
    expect(await stage.query(r.db(db).table("a_small").getWriteHook())).not.toBeNull();
    // Nothing is written any more.
    const large = r.db(db).table("b_large");
    const documents = await stage.query<number>(large.count());
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await stage.query(large.count())).toBe(documents);
    expect(documents).toBeLessThan(largeDocuments);

    expect(stderr).toContain(`drop what is half-filled, on the target: r.db("${db}").tableDrop(`);
    await stage.query(r.db(db).tableDrop("b_large"));
    const [, command = ""] = /then restore the rest: thinkback (.*)$/m.exec(stderr) ?? [];
    expect(command).toContain(`--repo '${repo.replace("'", "'\\''")}'`);
    const words = command.replace(/--repo '.*' --target …/, "").split(" ");
    const [name = "", ...options] = words.filter((word) => word !== "");
    const rest = await cli([name, "--repo", repo, "--target", stage.address, ...options]);
    expect(rest.stderr + rest.status).toBe("0");
    expect((await tablesOf(db)).sort()).toEqual(["a_small", "b_large", "c_small"]);
    expect(await stage.query(large.count())).toBe(largeDocuments);
  },
);

test("with --json the report and the error are JSON", async () => {
  const running = begin("as_json", "--json");
  await untilLargeIsBegun("as_json");
  running.process.kill("SIGTERM");
  const { status, stdout, stderr } = await running.finished;
  expect(status).toBe(12);
  expect(JSON.parse(stdout)).toMatchObject({
    restored: [{ to: "as_json.a_small", documents: 10, matches: true }],
    halfFilled: "as_json.b_large",
    notBegun: ["as_json.c_small"],
  });
  const [, error = ""] = stderr.trim().split("\n");
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
