/** Previews: a throw-away server with the past in it. */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { r, type Term } from "../server/driver.js";
import { findBinary } from "../server/real-server.js";
import { cli, type Running, start } from "./cli.js";
import { iso, Stage, until } from "./stage.js";

const binary = await findBinary();
const program = (
  await promisify(execFile)("sh", ["-c", "command -v rethinkdb || true"])
).stdout.trim();
const orders = r.db("shop").table("orders");

interface Ready {
  at: string;
  address: string;
  http: string | null;
  tables: { from: string; to: string; documents: number }[];
}

let stage: Stage;
let repo: string;
let temporary: string;
let at: string;
let past: Map<string, string>;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  temporary = join(stage.directory, "tmp");
  await mkdir(temporary);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(r.db("shop").tableCreate("customers"));
  const rows = Array.from({ length: 300 }, (_, id) => ({ id, customer: `c${id % 3}`, n: id }));
  await stage.query(orders.insert(rows));
  await stage.query(orders.indexCreate("customer"));
  stage.capture(repo);
  const now = await stage.untilExactNow(repo, "shop.orders", "shop.customers");
  past = await stage.texts("shop", "orders");
  at = now.tables.find(({ name }) => name === "shop.orders")!.lastRestorable!;
  await stage.query(orders.delete());
}, 120_000);

afterAll(() => stage.close());

/** A preview that is ready. */
function preview(...args: string[]): Promise<{ running: Running; ready: Ready }> {
  return previewIn({}, ...args);
}

/** The same, with more in its environment. */
async function previewIn(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ running: Running; ready: Ready }> {
  const given = ["--json", "preview", "--repo", repo, "--at", at, ...args];
  const running = start(given, { TMPDIR: temporary, ...env });
  stage.onClose(() => Promise.resolve(running.process.kill("SIGKILL")));
  let printed = "";
  running.process.stdout!.on("data", (bytes: Buffer) => (printed += bytes.toString()));
  let ended = false;
  void running.finished.then(() => (ended = true));
  await until("the preview is ready", () => printed.endsWith("\n") || ended);
  if (printed === "") throw new Error((await running.finished).stderr);
  return { running, ready: JSON.parse(printed) as Ready };
}

async function textsAt(address: string, db: string): Promise<Map<string, string>> {
  const connection = await r.connect(parseAddress(address) as never);
  try {
    const pairs = r
      .db(db)
      .table("orders")
      .map((document: Term) => [document("id").toJsonString(), document.toJsonString()]);
    const rows = (await pairs.coerceTo("array").run(connection)) as [string, string][];
    return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  } finally {
    await connection.close();
  }
}

const scratch = async () =>
  (await stage.query<string[]>(r.dbList())).filter((name) => name.startsWith("thinkback_preview_"));

test.runIf(binary)("shows the past on a server of its own, until it is stopped", async () => {
  const { running, ready } = await preview("--http");
  expect(await textsAt(ready.address, "shop")).toEqual(past);
  expect(ready.tables.map(({ from, documents }) => [from, documents])).toContainEqual([
    "shop.orders",
    300,
  ]);
  const web = await fetch(`${ready.http}/ajax/reql/open-new-connection`, { method: "POST" });
  expect(web.status).toBe(200);
  running.process.kill("SIGINT");
  const { status, stderr } = await running.finished;
  expect([status, stderr]).toEqual([0, expect.stringContaining("the preview is removed")]);
  expect(await readdir(temporary)).toEqual([]);
});

test.runIf(binary)("leaves nothing behind when it is killed, and ends by itself", async () => {
  const { running } = await preview("--table", "shop.orders", "--where", '{"customer": "c1"}');
  running.process.kill("SIGKILL");
  await running.finished;
  await until("the server is gone", async () => (await readdir(temporary)).length === 0);
  const { running: short } = await preview("--for", "1s");
  expect((await short.finished).status).toBe(0);
  expect(await readdir(temporary)).toEqual([]);
});

test("shows what is selected, in scratch databases of a target", async () => {
  const { running, ready } = await preview("--target", stage.address, "--key", "7", "--key", "9");
  const table = ready.tables.find(({ from }) => from === "shop.orders")!;
  expect(table.documents).toBe(2);
  const db = table.to.split(".")[0]!;
  expect([...(await stage.texts(db, "orders")).keys()]).toEqual(["7", "9"]);
  running.process.kill("SIGKILL");
  await running.finished;
  expect(await scratch()).toContain(db);
  const { running: next } = await preview("--target", stage.address, "--clean", "--db", "shop");
  expect(await scratch()).toHaveLength(1);
  expect(await scratch()).not.toContain(db);
  next.process.kill("SIGTERM");
  expect((await next.finished).status).toBe(0);
  expect(await scratch()).toEqual([]);
});

test("says what shows that a selection is mistyped", async () => {
  const chosen = ["--target", stage.address, "--table", "shop.orders"];
  for (const [args, text, told] of [
    [
      ["--where", '{"n": "7"}'],
      "n of shop.orders is a number in each document that was looked at, and a text was given",
      { documents: 0, doubts: [expect.stringContaining("n of shop.orders")] },
    ],
    [
      ["--key", "7", "--key", "9000"],
      "no document of shop.orders has the key 9000",
      { documents: 1, missingKeys: ["9000"] },
    ],
  ] as const) {
    const { running, ready } = await preview(...chosen, ...args);
    expect(ready.tables).toMatchObject([told]);
    running.process.kill("SIGTERM");
    expect((await running.finished).stderr).toContain(`thinkback: ${text}\n`);
  }
});

test("shows one customer, or what fits a query, on a target", async () => {
  const tenants = stage.repo("tenants.yaml");
  await writeFile(tenants, "shop.orders: customer\nshop.customers: id\n");
  for (const [args, keys] of [
    [["--tenant", tenants, "--tenant-id", "c1"], (id: number) => id % 3 === 1],
    [["--table", "shop.orders", "--where", '{"n": {"$gte": 290}}'], (id: number) => id >= 290],
  ] as const) {
    const { running, ready } = await preview("--target", stage.address, ...args);
    const { to } = ready.tables.find(({ from }) => from === "shop.orders")!;
    const shown = [...(await stage.texts(to.split(".")[0]!, "orders")).keys()].map(Number);
    const wanted = Array.from({ length: 300 }, (_, id) => id).filter(keys);
    expect(shown.sort((a, b) => a - b)).toEqual(wanted);
    running.process.kill("SIGTERM");
    expect((await running.finished).status).toBe(0);
    expect(await scratch()).toEqual([]);
  }
});

/** The processes that run a server in the directory of a preview. */
async function serversOf(directory: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "pid=,args="]);
  return stdout
    .split("\n")
    .filter((line) => line.includes(directory) && /rethinkdb --config-file/.test(line))
    .filter((line) => !/sh -c/.test(line))
    .map((line) => Number.parseInt(line, 10));
}

test.runIf(binary).each(["SIGTERM", "SIGINT", "SIGKILL of the server"] as const)(
  "leaves nothing after %s",
  async (end) => {
    const { running } = await preview("--table", "shop.orders");
    const servers = await serversOf(temporary);
    expect(servers.length).toBeGreaterThan(0);
    if (end === "SIGKILL of the server") process.kill(servers[0]!, "SIGKILL");
    else running.process.kill(end);
    const { status, stderr } = await running.finished;
    const isStopped = end !== "SIGKILL of the server";
    expect([status, stderr]).toEqual([
      isStopped ? 0 : 7,
      expect.stringContaining(isStopped ? "the preview is removed" : "own server has ended"),
    ]);
    expect(await readdir(temporary)).toEqual([]);
    expect(await serversOf(temporary)).toEqual([]);
  },
);

describe("where no rethinkdb is on the PATH", () => {
  let bin: string;
  let log: string;

  /** Only what a shell needs, and a `docker` that runs this script. */
  const pathWith = async (script: string | undefined) => {
    bin = join(stage.directory, `bin-${(paths += 1)}`);
    log = join(bin, "log");
    await mkdir(bin);
    for (const program of ["sh", "cat", "rm", "mkdir"]) {
      const { stdout } = await promisify(execFile)("sh", ["-c", `command -v ${program}`]);
      if (stdout.startsWith("/")) await symlink(stdout.trim(), join(bin, program));
    }
    if (script !== undefined) {
      await writeFile(join(bin, "docker"), `#!/bin/sh\n${script}`, { mode: 0o755 });
    }
    return { PATH: bin };
  };
  let paths = 0;

  const commands = async () => (await readFile(log, "utf8")).trim().split("\n");
  const refused = async (env: Record<string, string>) => {
    const given = ["preview", "--repo", repo, "--at", at];
    const { status, stderr } = await cli(given, { TMPDIR: temporary, ...env });
    return [status, stderr];
  };

  test("and no Docker, it says what to do", async () => {
    expect(await refused(await pathWith(undefined))).toEqual([
      2,
      expect.stringMatching(/no `rethinkdb` on the PATH to start one, and no Docker.*--target/s),
    ]);
  });

  test("and Docker does not answer, it says that too", async () => {
    const env = await pathWith('echo "Cannot connect to the Docker daemon" >&2; exit 1');
    expect(await refused(env)).toEqual([
      2,
      expect.stringMatching(/Docker does not answer \(.*Docker daemon.*--target/s),
    ]);
  });

  test("a container that does not start is removed", async () => {
    const env = await pathWith(
      `echo "$@" >>'BIN/log'; case $1 in version) echo 27;; run) echo "pull access denied" >&2; exit 125;; esac`,
    );
    await inPlace();
    expect(await refused(env)).toEqual([7, expect.stringContaining("pull access denied")]);
    const [, run, remove] = await commands();
    const name = /--name (thinkback-preview-[0-9a-f]{12}) /.exec(run!)![1];
    expect(run).toMatch(
      /--publish 127\.0\.0\.1:\d+:28015 rethinkdb:2\.4\.4 sh -c .*--no-http-admin$/,
    );
    expect(run).not.toContain("password");
    expect(remove).toBe(`rm --force --volumes ${name}`);
    expect(await readdir(temporary)).toEqual([]);
  });

  const inPlace = async () => {
    const script = await readFile(join(bin, "docker"), "utf8");
    await writeFile(join(bin, "docker"), script.replaceAll("BIN", bin));
  };

  /** Runs what would run in the container here, with the ports that are published. */
  const likeDocker = () => `
echo "$@" >>'BIN/log'
case $1 in
version) echo 27;;
run)
  shift
  web=
  while [ $# -gt 0 ]; do
    case $1 in
    --name) name=$2; shift;;
    --publish)
      port=\${2#127.0.0.1:}
      case $port in *:28015) driver=\${port%:*};; *:8080) web=\${port%:*};; esac
      shift;;
    rethinkdb:*) shift; break;;
    esac
    shift
  done
  mkdir "BIN/$name"
  cat >"BIN/$name/conf"
  '${program}' --config-file "BIN/$name/conf" --directory "BIN/$name/data" --bind 127.0.0.1 \\
    --driver-port "$driver" --cluster-port 0 \${web:+--http-port "$web"} $([ -n "$web" ] || echo --no-http-admin) --no-update-check &
  echo $! >"BIN/$name/pid"
  wait $!
  ;;
rm)
  kill -KILL "$(cat "BIN/$4/pid")"
  rm -rf "BIN/$4"
  ;;
esac
`;

  test.runIf(binary).each(["SIGTERM", "SIGKILL", "the end of the server"])(
    "it runs in a container, and nothing of it is left after %s",
    async (end) => {
      const env = await pathWith(likeDocker());
      await inPlace();
      const { running, ready } = await previewIn(env, "--table", "shop.orders");
      expect(await textsAt(ready.address, "shop")).toEqual(past);
      const run = (await commands()).find((line) => line.startsWith("run "));
      const name = /--name (\S+) /.exec(run!)![1]!;
      const conf = await readFile(join(bin, name, "conf"), "utf8");
      expect(ready.address).toContain(conf.trim().replace("initial-password=", ""));
      if (end === "the end of the server") {
        process.kill(Number(await readFile(join(bin, name, "pid"), "utf8")), "SIGKILL");
      } else running.process.kill(end as "SIGTERM" | "SIGKILL");
      const { status } = await running.finished;
      expect(status).toBe({ SIGTERM: 0, SIGKILL: null, "the end of the server": 7 }[end]);
      await until("nothing is left", async () => {
        const left = await readdir(bin);
        return (await readdir(temporary)).length === 0 && !left.includes(name);
      });
      expect((await commands()).at(-1)).toBe(`rm --force --volumes ${name}`);
    },
  );
});

test.each([
  [["--clean"], 2, /--clean has no effect/],
  [["--http", "--target", "rethinkdb://127.0.0.1:1"], 2, /--http has no effect/],
  [["--for", "soon"], 2, /--for/],
  [["--at", iso(0)], 5, /./],
  [["--table", "shop.none"], 6, /./],
])("refuses %j", async (args, status, message) => {
  const ended = await cli(["preview", "--repo", repo, ...args]);
  expect([ended.status, ended.stderr]).toEqual([status, expect.stringMatching(message)]);
});
