/** What a command does when its standard output fails: a reader that ends early, and a disk without room. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitStatus } from "../../src/errors.js";
import { tableFiles, writeArchive } from "../exchange/archives.js";
import { cli } from "./cli.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let directory: string;
let repo: string;
let archive: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-output-"));
  [repo, archive] = [join(directory, "repository"), join(directory, "dump.tar.gz")];
  // More than a pipe holds.
  const documents = Array.from({ length: 8000 }, (_, id) => `{"id":${id},"r":"${"x".repeat(60)}"}`);
  const few = tableFiles("d/a/few", '[{"id":1}]');
  await writeArchive(archive, [...tableFiles("d/a/many", `[${documents.join(",\n")}]`), ...few]);
  expect(await cli(["import", archive, "--repo", repo])).toMatchObject({ status: 0 });
}, 60_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs a command with its standard output sent on as the shell says. Status and stderr are the command's own. */
function sent(where: string, ...args: string[]): Promise<{ status: number; stderr: string }> {
  const script = `"$0" "$@" ${where}; exit "\${PIPESTATUS[0]}"`;
  return new Promise((resolve) => {
    execFile("bash", ["-c", script, process.execPath, main, ...args], (error, _, stderr) =>
      resolve({ status: error ? Number(error.code) : 0, stderr }),
    );
  });
}

const when = ["--at", "2024-05-06T07:08:11Z", "--allow-inexact"];
const exported = (table: string, format = "ndjson") =>
  [
    "export",
    "--repo",
    repo,
    "--at",
    "2024-05-06T07:08:11Z",
    "--allow-inexact",
    "--out",
    "-",
  ].concat(["--table", table, "--format", format]);

describe("a reader that ends early", () => {
  test.each(["ndjson", "rethinkdb-dump"])(
    "has a part of an export in %s, and its status says so",
    async (format) => {
      const { status, stderr } = await sent("| head -c 1", ...exported("a.many", format));
      expect([status, stderr]).toEqual([
        exitStatus.incomplete,
        expect.stringMatching(/^thinkback: the reader of standard output ended too early\n {2}→ /m),
      ]);
    },
  );

  test("is no failure of an export that it read whole", async () => {
    const { status } = await sent("| cat >/dev/null", ...exported("a.many"));
    expect(status).toBe(0);
  });

  test("leaves a command that prints quiet", async () => {
    const { status, stderr } = await sent("| true", "status", "--repo", repo);
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("does not cut short what a command does besides printing", async () => {
    const copy = join(directory, "copy");
    const imported = await sent("| true", "import", archive, "--repo", copy);
    expect([imported.status, imported.stderr]).toEqual([0, ""]);
    expect(await cli(["show", "a.few", "1", "--repo", copy, ...when])).toMatchObject({ status: 0 });
  });
});

describe("a disk without room", () => {
  test.each([
    ["an export", () => exported("a.many")],
    ["a status", () => ["status", "--repo", repo]],
    ["the version", () => ["--version"]],
    ["a check", () => ["verify", "--repo", repo]],
  ])("ends %s with the status of a full disk", async (_, args) => {
    const { status, stderr } = await sent(">/dev/full", ...args());
    expect([status, stderr]).toEqual([
      exitStatus.full,
      expect.stringMatching(/^thinkback: standard output could not be written to: .*ENOSPC/m),
    ]);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr.match(/ENOSPC/g)).toHaveLength(1);
  });

  test("gives a program the error as JSON", async () => {
    const { status, stderr } = await sent(">/dev/full", "--json", "status", "--repo", repo);
    expect(status).toBe(exitStatus.full);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "full" } });
  });

  test("for standard error changes no status", async () => {
    expect(await sent("2>/dev/full", ...exported("a.few"))).toMatchObject({ status: 0 });
  });
});
