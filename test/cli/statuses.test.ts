/** Each exit status that docs/operations.md lists is what a command ends with, and only a defect ends with a stack. */
import type * as fs from "node:fs/promises";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { systemClock } from "../../src/clock.js";
import { exitStatus } from "../../src/errors.js";
import { withLease } from "../../src/repository/registers/lease.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { Server } from "../restore/captured.js";
import { r } from "../server/driver.js";
import { pathWithServer } from "../server/simulated-binary.js";

/** What the file system answers below a directory instead of writing. */
const disk = vi.hoisted(() => ({
  directory: undefined as string | undefined,
  code: "ENOSPC",
}));

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const refuse = (syscall: string, path: unknown) => {
    if (disk.directory === undefined || !String(path).startsWith(disk.directory)) return;
    const message = `${disk.code}: it cannot be written, ${syscall} '${String(path)}'`;
    throw Object.assign(new Error(message), { code: disk.code, syscall, path });
  };
  return {
    ...real,
    open: async (path: string, flags: string | number, mode?: number) => {
      if (flags === "wx") refuse("open", path);
      return real.open(path, flags, mode);
    },
    mkdir: async (path: string, options: object) => {
      refuse("mkdir", path);
      return real.mkdir(path, options);
    },
    mkdtemp: async (prefix: string) => {
      refuse("mkdtemp", prefix);
      return real.mkdtemp(prefix);
    },
    unlink: async (path: string) => {
      if (disk.code === "EROFS") refuse("unlink", path);
      return real.unlink(path);
    },
  };
});

const nowhere = "rethinkdb://127.0.0.1:1";
let server: Server;
let directory: string;
/** A one-shot backup of shop.orders. */
let repo: string;

beforeAll(async () => {
  process.setMaxListeners(0);
  server = await Server.start();
  directory = await mkdtemp(join(tmpdir(), "thinkback-statuses-"));
  repo = join(directory, "repository");
  await server.query(r.dbCreate("shop"));
  await server.query(r.db("shop").tableCreate("orders"));
  const rows = Array.from({ length: 50 }, (_, id) => ({ id }));
  await server.query(r.db("shop").table("orders").insert(rows));
  expect((await backUp(repo)).status).toBe(0);
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

afterEach(() => {
  disk.directory = undefined;
});

interface Ended {
  status: number;
  printed: string;
}

async function run(...args: string[]): Promise<Ended> {
  let printed = "";
  const stream = { write: (text: string) => (printed += text) };
  return { status: await runCommandLine(args, { stdout: stream, stderr: stream }), printed };
}

const backUp = (to: string, ...more: string[]) =>
  run("run", "--once", "--source", server.address, "--repo", to, "--log-level", "error", ...more);

const restore = (as: string, ...more: string[]) =>
  run("restore", "--repo", repo, "--target", server.address, "--rename", `shop=${as}`, ...more);

/** The message says what happened and what to do. */
function expectEnd(
  { status, printed }: Ended,
  code: keyof typeof exitStatus,
  message: RegExp,
): void {
  expect(printed).toMatch(message);
  expect(printed).toMatch(/^ {2}→ /m);
  expect(printed).not.toMatch(/^\s+at /m);
  expect(status).toBe(exitStatus[code]);
}

async function copyOfRepo(name: string): Promise<string> {
  await cp(repo, join(directory, name), { recursive: true });
  return join(directory, name);
}

test("the statuses of the page are those of the code", async () => {
  const page = await readFile(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| (\d+) \| `(\w+)` \|/gm)];
  const listed = Object.fromEntries(rows.map(([, status, code]) => [code, Number(status)]));
  expect(listed).toEqual(exitStatus);
});

test("0 done, and 1 a defect, which alone prints its stack", async () => {
  expect((await run("status", "--repo", repo)).status).toBe(0);
  let printed = "";
  const broken = {
    write: () => {
      throw new TypeError("a defect");
    },
  };
  const stderr = { write: (text: string) => (printed += text) };
  const args = ["status", "--repo", repo];
  expect(await runCommandLine(args, { stdout: broken, stderr })).toBe(exitStatus.internal);
  expect(printed).toMatch(/a defect\n[^]*^\s+at /m);
});

test("2 usage, 3 source, 4 repository, 5 instant, 6 unknown", async () => {
  expectEnd(await run("status", "--repo", repo, "--at", "now"), "usage", /--at/);
  const elsewhere = join(directory, "elsewhere");
  const away = await run("run", "--source", nowhere, "--repo", elsewhere);
  expectEnd(away, "source", /cannot connect/);
  expectEnd(await run("status", "--repo", join(directory, "none")), "repository", /no repository/);
  expectEnd(await restore("old", "--at", "1d ago"), "instant", /nothing was captured yet/);
  expectEnd(await restore("old", "--table", "shop.ordres"), "unknown", /no table shop\.ordres/);
});

test("2 or 4: a spool that could not be used when it is needed", async () => {
  const at = join(directory, "spooled");
  const spool = (of: string, ...more: string[]) => backUp(at, "--spool", of, ...more);
  const file = join(directory, "file");
  await writeFile(file, "mine");
  for (const of of [file, join(file, "below"), "/proc/thinkback"]) {
    expectEnd(await spool(of), "repository", /not a directory|cannot be made/);
  }
  disk.directory = join(directory, "read-only");
  disk.code = "EROFS";
  expectEnd(await spool(disk.directory), "repository", /no permission/);
  // It may hold what has to be delivered.
  disk.code = "ENOSPC";
  expect((await spool(disk.directory)).status).toBe(0);
  disk.directory = undefined;
  const url = pathToFileURL(at).href;
  for (const of of [at, join(at, "below"), `${at}/`, url, `${url}/below`]) {
    expectEnd(await spool(of), "usage", /lies in the repository/);
    expectEnd(await backUp(url, "--spool", of), "usage", /lies in the repository/);
  }
  const beside = join(directory, "spool");
  for (const limit of ["0", "1", "1023KiB"]) {
    expectEnd(await spool(beside, "--spool-limit", limit), "usage", /is too little for a spool/);
  }
  expect((await spool(beside, "--spool-limit", "1MiB")).status).toBe(0);
  expect(await readdir(beside)).toEqual([]);
});

test("7 target, 8 damaged", async () => {
  expectEnd(await run("restore", "--repo", repo, "--target", nowhere), "target", /cannot connect/);
  const damaged = await copyOfRepo("damaged");
  const [name] = (await readdir(damaged, { recursive: true })).filter((one) =>
    /^log.*\.zst$/.test(one),
  );
  await writeFile(join(damaged, name!), "not a segment");
  expectEnd(await run("verify", "--repo", damaged), "damaged", /damaged/);
});

test("9 mismatch: something else writes to the restored table", async () => {
  const other = await Server.to(server.server);
  let ended = false;
  const writing = (async () => {
    const row = { id: "not ours" };
    // A table that is being restored refuses every write but those that pass its hook by.
    const options = { conflict: "replace", ignoreWriteHook: true };
    const insert = r
      .db("raced")
      .table("orders")
      .insert(row, options as never);
    while (!ended) await other.query(insert).catch(() => undefined);
  })();
  try {
    const raced = await restore("raced", "--db", "shop");
    expectEnd(raced, "mismatch", /does not hold what was written/);
  } finally {
    ended = true;
    await writing;
    await other.leave();
  }
});

test("18 unexpected, 19 unchecked: a drill with expectations, and what status says then", async () => {
  const file = join(directory, "expected.yaml");
  const drill = async (tables: object) => {
    await writeFile(file, JSON.stringify({ tables }));
    const options = ["--latest", "--expect", file, "--target", server.address];
    return run("drill", "--repo", repo, ...options);
  };
  const none = { find: [{ name: "late orders", where: { id: "none" } }] };
  const orders = "shop.orders: at least 1 with: late orders: found 0";
  const ended = await drill({ "shop.orders": none, "shop.gone": { min: 1 } });
  expectEnd(ended, "unexpected", new RegExp(orders));
  const gone = /shop\.gone: at least 1 document: could not be checked/;
  expect((await run("status", "--repo", repo)).printed).toMatch(
    /DID NOT FIND WHAT IS EXPECTED \(2 expectations: 0 passed, 1 differs, 1 could not be checked\)/,
  );
  expectEnd(await drill({ "shop.gone": { min: 1 } }), "unchecked", gone);
  expect((await drill({ "shop.orders": { min: 1 } })).status).toBe(0);
  expect((await run("status", "--repo", repo)).printed).not.toMatch(/EXPECTED/);
});

describe("10 full, 4 where it is read-only", () => {
  const writes: [string, (at: string) => Promise<Ended>][] = [
    ["run in a new repository", (at) => backUp(join(at, "new"))],
    ["run in one that is there", (at) => backUp(at)],
    ["fold", (at) => run("fold", "--repo", at)],
    ["expire", (at) => run("expire", "--repo", at)],
    ["expire --keep", (at) => run("expire", "--repo", at, "--keep", "all:1d")],
    ["maintain", (at) => run("maintain", "--repo", at)],
    ["pin add", (at) => run("pin", "add", "release", "--repo", at)],
    ["drill", (at) => run("drill", "--latest", "--repo", at, "--target", server.address)],
  ];

  test.each(writes)("%s", async (what, command) => {
    const at = await copyOfRepo(`disk ${what}`);
    disk.directory = at;
    disk.code = "ENOSPC";
    expectEnd(await command(at), "full", /no space left|ENOSPC/);
    disk.code = "EROFS";
    expectEnd(await command(at), "repository", /no permission|EROFS/);
  });

  test("a first copy, and a drill's own server below TMPDIR", async () => {
    const at = join(directory, "first copy");
    disk.directory = join(at, "bases");
    disk.code = "ENOSPC";
    expectEnd(await backUp(at), "full", /no space left|ENOSPC/);
    disk.directory = join(tmpdir(), "thinkback-drill-");
    vi.stubEnv("PATH", await pathWithServer(directory));
    expectEnd(await run("drill", "--repo", repo), "full", /ENOSPC/);
    vi.unstubAllEnvs();
  });
});

test("11 fenced: another process folds", async () => {
  const owner = { host: "elsewhere", process: 1, isAlive: () => true };
  const at = await copyOfRepo("held");
  await withLease(new DirectoryStore(at), systemClock, owner, "0123abcd", async () => {
    expectEnd(await run("fold", "--repo", at), "fenced", /lease|folds/);
  });
});

test("12 incomplete: a one-shot backup is stopped before its end", async () => {
  // The signal comes as soon as somebody listens, before anything is copied.
  const onListener = (signal: string | symbol, listen: (name: string) => void) => {
    if (signal !== "SIGTERM") return;
    process.off("newListener", onListener);
    queueMicrotask(() => listen("SIGTERM"));
  };
  process.on("newListener", onListener);
  const stopped = backUp(join(directory, "stopped"));
  expectEnd(await stopped, "incomplete", /stopped before every table had a complete base/);
});

test("13 clock: that of the source is an hour off", async () => {
  const { cluster } = server.server;
  cluster!.setClockOffset(3_600_000);
  try {
    expectEnd(await backUp(await copyOfRepo("clock")), "clock", /this machine's clock says/);
  } finally {
    cluster!.setClockOffset(0);
  }
});

test("14 left out: the target refuses a document", async () => {
  const at = join(directory, "refused");
  const recording = await Recording.begin(
    await makeRepository(new DirectoryStore(at)),
    new StillClock(),
  );
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "refused" });
  const id = "0a000000-0000-4000-8000-000000000001";
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  recording.catalog(["table", id], {
    id,
    db: "refused",
    name: "t",
    primary_key: "id",
    shards,
    ...settings,
  });
  const since = recording.log.stamp().time;
  recording.coverage(id, { state: "copying", since });
  const many = Array<number>(100_001).fill(0);
  const base = await recording.copy(id, [
    ["a", { id: "a" }],
    ["b", { a: many, id: "b" }],
  ]);
  const instant = await recording.tick(50);
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  await recording.tick(50);
  const args = ["--repo", at, "--target", server.address, "--db", "refused"];
  const ended = await run("restore", ...args);
  expectEnd(ended, "leftOut", /1 of refused\.t/);
  expect(ended.printed).toMatch(/refused\.t: left out "b": Array over size limit/);
  expect(await server.query(r.db("refused").table("t").count())).toBe(1);
});
