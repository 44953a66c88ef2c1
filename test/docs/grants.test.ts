/** Each table of grants on the page is enough, and each row of it is needed, on a real server. */
import { cp } from "node:fs/promises";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { systemClock } from "../../src/clock.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { ForeignCluster } from "../../src/rethinkdb/source.js";
import { Stage } from "../endtoend/stage.js";
import { r, type Term } from "../server/driver.js";
import { realServerKind } from "../server/find-server.js";
import { readPage } from "./generated.js";

interface Row {
  on: string;
  permission: string;
  status: number;
  message: string | undefined;
}

const page = await readPage("permissions.md");

/** The rows of the table below a heading. */
function rowsBelow(heading: string): Row[] {
  const part = page.slice(page.indexOf(`### ${heading}\n`)).split(/\n#{2,3} /, 1)[0]!;
  const lines = part.split("\n").filter((line) => /^\| .* \| `\w+` \| \d+ \|/.test(line));
  return lines.map((line) => {
    const [, on, permission, status, then] = line.split("|").map((cell) => cell.trim());
    const [, message] = /`([^`]+)`/.exec(then!) ?? [];
    return {
      on: on!.replaceAll("`", ""),
      permission: permission!.replaceAll("`", ""),
      status: Number(status),
      message,
    };
  });
}

let stage: Stage;
let repo: string;
let users = 0;

// What a server permits is a matter of the real one.
const why = (await realServerKind()) === undefined ? "needs a real server" : undefined;
if (why !== undefined) console.log(`grants: skipped, ${why}`);

async function run(args: string[]) {
  let stdout = "";
  let stderr = "";
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (stdout += Buffer.from(text)) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const surroundings = { environment: {}, directory: stage.directory };
  return { status: await runCommandLine(args, streams, surroundings), stdout, stderr };
}

const grant = (user: string, { on, permission }: Row): Term => {
  const permissions = { [permission]: true };
  const [db, table] = on.split(".");
  if (on === "everything") return r.grant(user, permissions);
  return table === undefined
    ? r.db(db!).grant(user, permissions)
    : r.db(db!).table(table).grant(user, permissions);
};

/** A user with the grants of these rows. Rows on the same thing are granted together. */
async function userWith(rows: Row[]): Promise<string> {
  users += 1;
  const user = `user${users}`;
  await stage.query(r.db("rethinkdb").table("users").insert({ id: user, password: false }));
  for (const row of rows) await stage.query(grant(user, row));
  return user;
}

const address = (user: string) => `rethinkdb://${user}@${stage.server.host}:${stage.server.port}`;

/** Captures once more into a copy of the repository. */
async function capture(user: string) {
  const copy = stage.repo(`of-${user}`);
  await cp(repo, copy, { recursive: true });
  const of = ["--repo", copy, "--include", "shop.*", "--tick", "100ms", "--log-level", "error"];
  const finished = await run(["run", "--once", "--source", address(user), ...of]);
  return { ...finished, copy };
}

const restore = (user: string) =>
  run(
    ["restore", "--repo", repo, "--target", address(user)].concat([
      "--db",
      "shop",
      "--rename",
      `shop=by_${user}`,
    ]),
  );

describe.skipIf(why !== undefined)("the grants", () => {
  beforeAll(async () => {
    process.setMaxListeners(0);
    stage = await Stage.open();
    repo = stage.repo("repository");
    await stage.query(r.dbCreate("shop"));
    await stage.query(r.db("shop").tableCreate("orders"));
    await stage.query(
      r
        .db("shop")
        .table("orders")
        .insert([{ id: 1 }, { id: 2 }]),
    );
    await stage.query(r.db("rethinkdb").table("users").insert({ id: "reader", password: false }));
    expect((await stage.backUp(repo)).status).toBe(0);
  });
  afterAll(() => stage.close());

  const tables: [string, Row[], (user: string) => ReturnType<typeof run>][] = [
    ["Capture", rowsBelow("Capture"), capture],
    ["Restore", rowsBelow("Restore"), restore],
  ];

  describe.each(tables)("of %s", (name, rows, command) => {
    test("are enough", async () => {
      expect(rows.length).toBeGreaterThan(4);
      const { status, stderr } = await command(await userWith(rows));
      expect([status, stderr]).toEqual([0, ""]);
    });

    test.each(rows.map((row) => [`${row.permission} on ${row.on}`, row] as const))(
      `are all needed: %s (${name})`,
      async (_, row) => {
        const others = rows.filter((one) => one !== row);
        const { status, stderr } = await command(await userWith(others));
        expect([status, stderr]).toEqual([row.status, stderr]);
        if (row.status === 0) return;
        expect(stderr).toContain(row.message!);
        expect(stderr).toMatch(/required `\w+` permission[^]*→ grant the (target's )?user /);
      },
    );
  });

  test("of an undo are enough, and all needed, before anything is recorded", async () => {
    const rows = rowsBelow("Undo and rewind");
    expect(rows).toHaveLength(4);
    const { stdout } = await run(["status", "--repo", repo, "--json"]);
    const { restorableUntil } = JSON.parse(stdout) as { restorableUntil: string };
    const rewind = async (of: Row[]) => {
      const onLive = ["--repo", repo, "--target", address(await userWith(of))];
      return run(["rewind", "shop.orders", "--at", restorableUntil, ...onLive]);
    };
    // Everything is permitted, and nothing is to be done.
    expect(await rewind(rows)).toMatchObject({ status: 0 });
    for (const row of rows) {
      const { status, stderr } = await rewind(rows.filter((one) => one !== row));
      expect([row.permission, row.on, status]).toEqual([row.permission, row.on, row.status]);
      expect(stderr).toContain(row.message!);
      expect(stderr).toContain(`required \`${row.permission}\` permission`);
    }
    const pins = await run(["pin", "list", "--repo", repo, "--json"]);
    expect(JSON.parse(pins.stdout)).toMatchObject({ pins: [] });
  });

  test("of a cluster's capture have one more, for a server that is new to it", async () => {
    expect(page).toContain("`read` on `rethinkdb.server_config` too");
    const rows = rowsBelow("Capture");
    const serverConfig = { ...rows[0]!, on: "rethinkdb.server_config", permission: "read" };
    const reading = async (of: Row[]) => {
      const url = address(await userWith(of));
      const source = new RethinkSource(url, dialer(parseAddress(url), "source"), systemClock);
      source.recognise(["of another server"]);
      await source.readCatalog().finally(() => source.close());
    };
    await expect(reading(rows)).rejects.toThrow("does not have the required `read` permission");
    await expect(reading([...rows, serverConfig])).rejects.toThrow(ForeignCluster);
  });

  test("that are missing for users and permissions cost access, and nothing else", async () => {
    const access = ["rethinkdb.users", "rethinkdb.permissions"];
    const rows = rowsBelow("Capture").filter(({ on }) => !access.includes(on));
    const user = await userWith(rows);
    const fresh = stage.repo("without-access");
    const of = ["--repo", fresh, "--include", "shop.*", "--log-level", "error"];
    const captured = await run(["run", "--once", "--source", address(user), ...of]);
    expect(captured.status).toBe(0);
    const status = await run(["status", "--repo", fresh, "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({
      access: null,
      tables: expect.arrayContaining([
        expect.objectContaining({ name: "shop.orders", state: "live" }),
      ]),
    });
  });

  test("of the examples are what they say, also for the whole cluster and a drill", async () => {
    for (const role of ["capture", "restore"]) {
      const [, example] = new RegExp(`<!-- example: ${role} -->\n\`\`\`js\n([^]*?)\`\`\``).exec(
        page,
      )!;
      for (const line of example!.trim().split("\n")) {
        // The page's own text, with a password in place of the dots.
        await stage.query(runInNewContext(line.replace("…", "secret"), { r }) as Term);
      }
    }
    const withPassword = (user: string) => address(`${user}:secret`);
    const own = ["--repo", stage.repo("example"), "--log-level", "error"];
    const captured = await run(["run", "--once", "--source", withPassword("thinkback"), ...own]);
    expect([captured.status, captured.stderr]).toEqual([0, ""]);
    const target = ["--repo", repo, "--target", withPassword("restorer")];
    const drilled = await run(["drill", "--latest", ...target]);
    expect([drilled.status, drilled.stdout]).toEqual([0, expect.stringContaining("proven")]);
    await stage.query(r.db("rethinkdb").table("users").get("reader").delete());
    await stage.query(r.dbDrop("shop"));
    const refused = await run(["restore", ...target]);
    expect([refused.status, refused.stderr]).toEqual([7, expect.stringContaining("create user")]);
    await stage.query(r.dbDrop("shop"));
    for (const table of ["users", "permissions"]) {
      const rights = { read: true, write: true };
      await stage.query(r.db("rethinkdb").table(table).grant("restorer", rights));
    }
    const whole = await run(["restore", ...target]);
    expect([whole.status, whole.stderr]).toEqual([0, expect.stringContaining("password")]);
  });
});
