/**
 * Plants secrets in every place that may hold one, runs every command in good and in failing ways, and looks for the
 * secrets in all that was printed and stored.
 */
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { exitStatus } from "../../src/errors.js";
import { r } from "../server/driver.js";
import { type Finished, start } from "./cli.js";
import { Stage, until } from "./stage.js";

/** What must be nowhere. Odd signs, because each encoding treats them in its own way. */
const secrets = {
  source: "Quiet-Ocean/7?é s#ource",
  target: "Quiet-Forest/8:é t@arget",
  wrong: "Quiet-Desert/9%é w!rong",
  store: "Quiet-Mountain+10/store==",
  key: "1QLETSTREAMXWWZPPDEEP0HARBVR",
};

/** A secret as different places may spell it. Of base64, what does not depend on its neighbours. */
function spellingsOf(secret: string): string[] {
  const base64 = [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    const text = bytes.toString("base64").replace(/=+$/, "");
    return text.slice(before === 0 ? 0 : before + 1, -2);
  });
  return [
    secret,
    // What is left of it where a part was cut.
    secret.slice(0, 13),
    encodeURIComponent(secret),
    encodeURI(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString("hex"),
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
  ];
}
const spellings = Object.values(secrets).flatMap(spellingsOf);

/** The spellings of secrets in a text or in bytes. */
function found(content: string | Buffer): string[] {
  const text = typeof content === "string" ? content : content.toString("utf8");
  return spellings.filter((one) => text.includes(one));
}

let stage: Stage;
let repo: string;
const tmpdirBefore = process.env["TMPDIR"];
let environment: Record<string, string>;
const printed: { of: string; text: string }[] = [];

/** Runs a command to its end; in a process of its own if it writes a log, which goes past the streams. */
async function run(
  args: string[],
  env: Record<string, string> = {},
  writesLog = args[0] === "run",
): Promise<Finished> {
  const all = { ...environment, ...env };
  const finished = writesLog ? await start(args, all).finished : await runHere(args, all);
  printed.push({ of: `${args[0]} ${args[1]}`, text: finished.stdout + finished.stderr });
  return finished;
}

async function runHere(args: string[], env: Record<string, string>): Promise<Finished> {
  const printing = { stdout: "", stderr: "" };
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (printing.stdout += Buffer.from(text)) },
    stderr: { write: (text: string) => (printing.stderr += text) },
  };
  const surroundings = { environment: env, directory: stage.directory };
  return { status: await runCommandLine(args, streams, surroundings), ...printing };
}

const url = (user: string, secret: string, at = `${stage.server.host}:${stage.server.port}`) =>
  `rethinkdb://${user}:${encodeURIComponent(secret)}@${at}`;
const file = (name: string) => join(stage.directory, name);
const bare = (user: string) => `rethinkdb://${user}@${stage.server.host}:${stage.server.port}`;

beforeAll(async () => {
  process.setMaxListeners(0);
  stage = await Stage.open();
  repo = stage.repo("repository");
  await mkdir(file("tmp"));
  // Where drills and folds put what they need for a while, in this process too.
  process.env["TMPDIR"] = file("tmp");
  environment = {
    TMPDIR: file("tmp"),
    AWS_SECRET_ACCESS_KEY: secrets.store,
    AZURE_STORAGE_KEY: secrets.store,
    GOOGLE_APPLICATION_CREDENTIALS: secrets.store,
  };
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(
    r
      .db("shop")
      .table("orders")
      .insert([{ id: 1 }, { id: 2 }]),
  );
  const users = r.db("rethinkdb").table("users");
  for (const [id, password] of [
    ["backup", secrets.source],
    ["restorer", secrets.target],
  ] as const) {
    await stage.query(users.insert({ id, password }));
    await stage.query(r.grant(id, { read: true, write: true, config: true }));
    await stage.query(r.db("rethinkdb").grant(id, { read: true, write: true }));
  }
  const write = (name: string, text: string) => writeFile(file(name), text, { mode: 0o600 });
  await write("source-url", `${url("backup", secrets.source)}\n`);
  await write("target-url", url("restorer", secrets.target));
  await write("source-password", `${secrets.source}\n`);
  await write("target-password", secrets.target);
  await write("wrong-password", secrets.wrong);
  await write(
    "good.yaml",
    `repo: ${repo}\nsource:\n  url: ${url("backup", secrets.source)}\n` +
      `target:\n  url: ${bare("restorer")}\n  password: ${JSON.stringify(secrets.target)}\n` +
      `drill:\n  target: ${url("restorer", secrets.target)}\n`,
  );
  await write("typo.yaml", `source:\n  passwort: ${JSON.stringify(secrets.source)}\n  url: [7]\n`);
  await write("broken.yaml", `source:\n  password: "\\q${secrets.source}\n  url: ${secrets.wrong}`);
  await write("shape.yaml", `source:\n  password: [${JSON.stringify(secrets.source)}]\n`);
});

afterAll(async () => {
  if (tmpdirBefore === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = tmpdirBefore;
  await stage.close();
});

/** A capture at work under the given configuration; ended with SIGTERM when it has captured. */
async function capture(args: string[], env: Record<string, string>): Promise<void> {
  const running = start(["run", ...args], { ...environment, ...env });
  try {
    await until("it captures", () => running.stderr().includes("captured completely"));
    const commandLine = await readFile(`/proc/${running.process.pid}/cmdline`, "utf8");
    printed.push({ of: "ps", text: commandLine });
  } finally {
    running.process.kill("SIGTERM");
  }
  const { status, stdout, stderr } = await running.finished;
  printed.push({ of: "run", text: stdout + stderr });
  expect([status, stderr]).toEqual([0, expect.stringContaining("capture begins")]);
}

describe("the scan finds", () => {
  test.each(Object.values(secrets))("%s in each spelling", (secret) => {
    for (const text of spellingsOf(secret)) {
      expect(text.length).toBeGreaterThan(10);
      expect(found(`before ${text} after`)).toContain(text);
    }
    const header = Buffer.from(`user:${secret}\n`).toString("base64");
    expect(found(header).length).toBeGreaterThan(0);
    expect(found(Buffer.from(JSON.stringify({ secret })))).not.toEqual([]);
  });
});

test("captures with secrets from the command line, the environment and files", async () => {
  const spool = ["--spool", file("spool"), "--log-level", "debug", "--tick", "200ms"];
  await capture(["--source", url("backup", secrets.source), "--repo", repo, ...spool], {});
  await capture(["--config", file("good.yaml"), ...spool], {});
  const bySecretFile = ["--source-file", file("source-url"), "--repo", repo, "--json"];
  expect((await run(["run", "--once", ...bySecretFile])).status).toBe(0);
  const byPassword = ["--source", bare("backup"), "--password-file", file("source-password")];
  expect((await run(["run", "--once", "--repo", repo, ...byPassword])).status).toBe(0);
  const env = { THINKBACK_SOURCE: bare("backup"), THINKBACK_SOURCE_PASSWORD: secrets.source };
  expect((await run(["run", "--once", "--repo", repo], env)).status).toBe(0);
});

/** Every command that has a repository or a target, ending well. */
const good: string[][] = [
  ["restore", "--rename", "shop=one", "--db", "shop"],
  ["restore", "--rename", "shop=two", "--db", "shop", "--json"],
  ["restore", "--dry-run", "--json", "--rename", "shop=three"],
  ["drill", "--latest", "--json"],
  ["status"],
  ["status", "--json"],
  ["show", "shop.orders", "1"],
  ["catalog", "--json"],
  ["fold"],
  ["expire", "--dry-run"],
  ["maintain"],
  ["plan"],
  ["verify", "--data"],
  ["repair"],
  ["pin", "add", "release"],
  ["pin", "list"],
  ["pin", "remove", "release"],
  ["lanes", "list"],
  ["lanes", "set", "1"],
  ["config", "check"],
  ["config", "show"],
  ["config", "show", "--json"],
];

test("every other command, configured by the file with the secrets", async () => {
  const env = { THINKBACK_CONFIG: file("good.yaml") };
  const ended: [string, number | null][] = [];
  for (const args of good) ended.push([args.join(" "), (await run(args, env)).status]);
  expect(ended).toEqual(good.map((args) => [args.join(" "), 0]));
});

const secretKey = `AGE-SECRET-KEY-${secrets.key}`;
/** A secret key where the file that holds it should stand. */
const givenAsValue = [
  ["status", "--repo", "r", "--identity", secretKey],
  ["status", "--repo", "r", `--identity=${secretKey}`],
  ["status", "--repo", "r", "--trust", secretKey.toLowerCase()],
  ["key", "add", "ops", "--repo", "r", "--role", "reader", "--key", secretKey],
  ["key", "new", secretKey],
  ["init", "--repo", "r", "--reader", `ops=${secretKey}`],
  ["init", "--repo", "r", secretKey],
];

/** Ways to fail, each with its arguments, its variables and the code of its status. */
function failing(): [args: string[], env: Record<string, string>, code: keyof typeof exitStatus][] {
  const never = ["--repo", file("never")];
  const restore = ["restore", "--repo", repo, "--rename", "shop=three", "--db", "shop"];
  const wrong = url("backup", secrets.wrong);
  const unread: [string[], Record<string, string>, "usage"][] = [
    `http://backup:${encodeURIComponent(secrets.wrong)}@127.0.0.1`,
    `rethinkdb://backup:${secrets.wrong}@127.0.0.1`,
    `rethinkdb://backup:${secrets.source}@127.0.0.1`,
    `${wrong}?tsl=true`,
    `${wrong}/path`,
    secrets.wrong,
  ].flatMap((odd): [string[], Record<string, string>, "usage"][] => [
    [["run", ...never, "--source", odd], {}, "usage"],
    [["run", ...never], { THINKBACK_SOURCE: odd.replaceAll(" ", "+") }, "usage"],
    [[...restore, "--target", odd, "--json"], {}, "usage"],
  ]);
  return [
    ...unread,
    [["run", ...never, "--source", url("backup", secrets.source, "127.0.0.1:1")], {}, "source"],
    [["run", ...never, "--source", wrong, "--log-level", "debug"], {}, "source"],
    [
      [
        "run",
        ...never,
        "--source",
        bare("backup"),
        "--password-file",
        file("wrong-password"),
        "--json",
      ],
      {},
      "source",
    ],
    [[...restore, "--target", wrong], {}, "target"],
    [
      [...restore, "--target", bare("restorer"), "--json"],
      { THINKBACK_TARGET_PASSWORD: secrets.wrong },
      "target",
    ],
    [
      ["drill", "--repo", repo, "--target-file", file("target-url"), "--at", "1d ago"],
      {},
      "instant",
    ],
    [
      ["drill", "--repo", repo, "--target", url("restorer", secrets.target, "127.0.0.1:1")],
      {},
      "target",
    ],
    [
      ["run", ...never, "--source-file", file("none")],
      { THINKBACK_SOURCE_PASSWORD: secrets.source },
      "usage",
    ],
    [["run", ...never, "--source-file", file("wrong-password")], {}, "usage"],
    [["status", ...never], { THINKBACK_SOURCE_PASSWORD: secrets.source }, "repository"],
    [["status", "--repo", `file://user:${secrets.store}@host/x`], {}, "usage"],
    [["status", "--repo", `s9://user:${secrets.store}@host/x`, "--json"], {}, "usage"],
    ...givenAsValue.flatMap((args): [string[], Record<string, string>, "usage"][] => [
      [args, {}, "usage"],
      [[...args, "--json"], {}, "usage"],
    ]),
    [["status", "--repo", repo], { THINKBACK_IDENTITY: secretKey }, "usage"],
    [["config", "check"], { THINKBACK_IDENTITY: secretKey }, "usage"],
    [["config", "show"], { THINKBACK_TRUST: secretKey }, "usage"],
    [["status", `--sorce=${wrong}`, "--repo", repo], {}, "usage"],
    [["show", "shop.orders", "1", "--repo", repo, "--at", wrong], {}, "usage"],
    ...["typo", "broken", "shape"].flatMap(
      (name): [string[], Record<string, string>, "usage"][] => {
        const env = { THINKBACK_CONFIG: file(`${name}.yaml`) };
        return [
          [["config", "check"], env, "usage"],
          [["config", "show", "--json"], env, "usage"],
          [["run"], env, "usage"],
        ];
      },
    ),
  ];
}

test("commands that fail, each with the status of its failure", async () => {
  const ended: [string, number | null, number][] = [];
  const ways = failing();
  const next = async () => {
    for (let way = ways.shift(); way; way = ways.shift()) {
      const [args, env, code] = way;
      const { status, stderr } = await run(args, env, code === "source");
      if (status !== exitStatus[code]) ended.push([stderr, status, exitStatus[code]]);
    }
  };
  await Promise.all([next(), next()]);
  expect(ended).toEqual([]);
});

/** Every file below a directory, and what a zstd file holds. */
async function contents(directory: string): Promise<[string, Buffer][]> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  const all: [string, Buffer][] = [];
  for (const path of files) all.push([path, await readFile(path)]);
  const packed = files.filter((path) => path.endsWith(".zst"));
  if (packed.length === 0) return all;
  const { stdout } = await promisify(execFile)("zstd", ["-dcq", ...packed], {
    encoding: "buffer",
    maxBuffer: 2 ** 28,
  });
  return [...all, ["what the zstd files hold", stdout]];
}

test("no secret is in what was printed, nor in the repository, the spool or scratch files", async () => {
  expect(printed.length).toBeGreaterThan(60);
  expect(printed.filter(({ text }) => found(text).length > 0)).toEqual([]);
  const stored = await contents(repo);
  expect(stored.length).toBeGreaterThan(10);
  expect(stored.some(([, bytes]) => bytes.includes("shop"))).toBe(true);
  for (const directory of ["spool", "tmp"]) {
    stored.push(...(await contents(file(directory))));
  }
  expect(stored.filter(([, bytes]) => found(bytes).length > 0).map(([name]) => name)).toEqual([]);
});
