/** `thinkback doctor` finds what is missing, says what to do, and ends with status 16. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Finding } from "../../src/cli/doctor-finding.js";
import { checkNode, roomOf } from "../../src/cli/doctor-machine.js";
import { checkClock, checkGrants, checkTls } from "../../src/cli/doctor-source.js";
import { runCommandLine } from "../../src/cli/program.js";
import { infoFields, judged } from "../../src/coordination/redis-fitness.js";
import { exitStatus } from "../../src/errors.js";
import { Server } from "../restore/captured.js";
import { r } from "../server/driver.js";

let server: Server;
let directory: string;

beforeAll(async () => {
  server = await Server.start();
  directory = await mkdtemp(join(tmpdir(), "thinkback-doctor-"));
  await server.query(r.dbCreate("shop"));
  await server.query(r.db("shop").tableCreate("orders"));
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function doctor(...args: string[]) {
  let [stdout, stderr] = ["", ""];
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (stdout += Buffer.from(text).toString()) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const place = args.includes("--repo") ? [] : ["--repo", directory];
  const status = await runCommandLine(["doctor", ...place, ...args], streams);
  return { status, stdout, stderr };
}

async function found(...args: string[]): Promise<{ status: number; findings: Finding[] }> {
  const { status, stdout } = await doctor("--json", ...args);
  return { status, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

const outcomeOf = (findings: Finding[], of: string, check: string) =>
  findings.find((one) => one.of === of && one.check === check)?.outcome;

test("a sound set-up passes, and the probe leaves nothing behind", async () => {
  const { status, findings } = await found("--source", server.address, "--spool", directory);
  expect(findings.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  expect(status).toBe(0);
  expect(outcomeOf(findings, "store", "race")).toBe("passed");
  expect(outcomeOf(findings, "source", "grants")).toBe("passed");
  expect(outcomeOf(findings, "source", "TLS")).toBe("noted");
  expect(outcomeOf(findings, "machine", "zstd")).toBe("passed");
  expect(outcomeOf(findings, "machine", "room in the spool")).toBeDefined();
  expect(await readdir(directory)).toEqual([]);
});

test("a source that is not there fails, with what to do, for people and for machines", async () => {
  const args = ["--source", "rethinkdb://127.0.0.1:1", "--read-only"];
  const { status, stdout, stderr } = await doctor(...args);
  expect(status).toBe(exitStatus.unfit);
  expect(stdout).toMatch(/^source +reach +FAILED/m);
  expect(stdout).toMatch(/^source, reach: \S+/m);
  expect(stderr).toContain("checks failed: source, reach");
  const { findings } = await found(...args);
  expect(outcomeOf(findings, "store", "race")).toBe("skipped");
  for (const { check, outcome, hint } of findings) {
    if (outcome === "failed") expect(hint, check).toBeTruthy();
  }
});

test("a store that cannot be written to fails, and the rest is checked all the same", async () => {
  const { status, findings } = await found("--repo", "/proc/nowhere", "--source", server.address);
  expect(status).toBe(exitStatus.unfit);
  expect(outcomeOf(findings, "store", "reach")).toBe("failed");
  expect(outcomeOf(findings, "source", "reach")).toBe("passed");
});

describe("what is judged", () => {
  test("grants that are missing are named with their command", () => {
    const grants = {
      version: "rethinkdb 2.4.4",
      neededRefused: ["jobs"],
      accessRefused: ["users"],
      tablesRefused: ["a.b"],
      tables: 3,
    };
    expect(checkGrants(grants, "me").map(({ outcome, hint }) => [outcome, hint])).toEqual([
      ["failed", 'as admin: r.db("rethinkdb").grant("me", {read: true})'],
      ["noted", expect.stringContaining('r.db("rethinkdb").grant("me", {read: true})')],
      ["failed", expect.stringContaining('r.grant("me", {read: true})')],
    ]);
  });

  test("clocks, room, versions and TLS have their bounds", () => {
    const outcomes = [0, -1000, 1001, -600_000, 600_001].map((ms) => checkClock(ms).outcome);
    expect(outcomes).toEqual(["passed", "passed", "noted", "noted", "failed"]);
    const rooms = [2 ** 40, 2 ** 30 - 1, 2 ** 26 - 1].map((bytes) => roomOf(bytes, "/x").outcome);
    expect(rooms).toEqual(["passed", "noted", "failed"]);
    const versions = ["20.19.0", "22.1.0", "20.18.9", "18.20.0"].map((of) => checkNode(of).outcome);
    expect(versions).toEqual(["passed", "passed", "failed", "failed"]);
    expect(checkTls([{ host: "a", tls: {} }]).outcome).toBe("passed");
    expect(checkTls([{ host: "a", tls: {} }, { host: "b" }]).outcome).toBe("noted");
  });

  test("a Redis that evicts fails, and one that forgets is noted", () => {
    const info =
      "# Server\r\nredis_version:7.2.4\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n";
    expect(judged(infoFields(info)).map(({ outcome }) => outcome)).toEqual([
      "passed",
      "failed",
      "noted",
    ]);
    const good = info
      .replace("allkeys-lru", "noeviction")
      .replace("aof_enabled:0", "aof_enabled:1");
    expect(judged(infoFields(good)).map(({ outcome }) => outcome)).toEqual([
      "passed",
      "passed",
      "passed",
    ]);
    const failedIn = (text: string) =>
      judged(infoFields(text)).flatMap(({ check, outcome }) => (outcome === "failed" ? check : []));
    expect(failedIn(good.replace("7.2.4", "5.0.14"))).toEqual(["version"]);
    expect(failedIn(`${good}role:slave\r\n`)).toEqual(["master"]);
    expect(failedIn(`${good}role:master\r\nredis_mode:standalone\r\n`)).toEqual([]);
    expect(failedIn(`${good}redis_mode:cluster\r\n`)).toEqual(["master"]);
  });
});

/** A server that answers PING and INFO as Redis does, and OK to everything else. */
async function fakeRedis(info: string): Promise<NetServer> {
  const answer = (command: string) => {
    if (/^ping$/im.test(command)) return "+PONG\r\n";
    if (/^info$/im.test(command)) return `$${info.length}\r\n${info}\r\n`;
    return "+OK\r\n";
  };
  const fake = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      for (const command of bytes.toString().split(/(?=^\*)/m)) socket.write(answer(command));
    });
  });
  await new Promise<void>((resolve) => fake.listen(0, "127.0.0.1", resolve));
  return fake;
}

test("a Redis is asked over the wire, and one that is away fails", async () => {
  const info =
    "redis_version:7.2.4\r\nloading:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";
  const fake = await fakeRedis(info);
  const { port } = fake.address() as { port: number };
  const { findings } = await found("--read-only", "--redis", `redis://127.0.0.1:${port}`);
  expect(findings.filter(({ of }) => of === "redis").map(({ outcome }) => outcome)).toEqual([
    "passed",
    "passed",
    "passed",
  ]);
  const file = join(directory, "redis-url");
  await writeFile(file, `redis://127.0.0.1:${port}\n`, { mode: 0o600 });
  const byFile = await found("--read-only", "--redis-file", file);
  expect(outcomeOf(byFile.findings, "redis", "reach")).toBe("passed");
  await rm(file);
  await new Promise((resolve) => fake.close(resolve));
  const withPassword = await doctor("--read-only", "--redis", `redis://:secret@127.0.0.1:${port}`);
  expect(withPassword.stderr).toMatch(
    /--redis holds a password.* by --redis-file or THINKBACK_REDIS\n/,
  );
  expect(withPassword.stdout + withPassword.stderr).not.toContain("secret");
  const away = await found("--read-only", "--redis", `redis://127.0.0.1:${port}`);
  expect(outcomeOf(away.findings, "redis", "reach")).toBe("failed");
});
