/** The file that --report names: whole at any moment, and never in the way of the command's own error. */
import {
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { terminalOutput } from "../../src/cli/output.js";
import { reported } from "../../src/cli/report-file.js";
import { ThinkbackError } from "../../src/errors.js";

let top: string;
let directory: string;
let file: string;
let notes: string;

beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), "thinkback-report-"));
});
afterAll(() => rm(top, { recursive: true, force: true }));
beforeEach(async () => {
  directory = await mkdtemp(join(top, "directory-"));
  file = join(directory, "report.json");
  notes = "";
});

const output = terminalOutput(false, {
  stdout: { write: () => undefined },
  stderr: { write: (text) => (notes += text) },
});

const content = async () => JSON.parse(await readFile(file, "utf8")) as unknown;

test("says how far the command is, and then its result", async () => {
  await reported(file, output, async (to) => {
    expect(await content()).toEqual({ state: "running", error: null });
    to.result({ tables: 1 });
  });
  expect(await content()).toEqual({ state: "done", error: null, tables: 1 });
  expect(await readdir(directory)).toEqual(["report.json"]);
});

test("says why the command failed, with what it had done", async () => {
  const error = new ThinkbackError("target", "no room");
  const failing = reported(file, output, async (to) => {
    to.result({ tables: 1 });
    throw error;
  });
  await expect(failing).rejects.toBe(error);
  expect(await content()).toEqual({
    state: "failed",
    error: { code: "target", message: "no room" },
    tables: 1,
  });
});

test("if it cannot be written after a failure, the failure is told, and that too", async () => {
  const error = new ThinkbackError("target", "no room");
  const failing = reported(file, output, async () => {
    await rm(directory, { recursive: true });
    throw error;
  });
  await expect(failing).rejects.toBe(error);
  expect(notes).toMatch(/thinkback: --report .* cannot be written: ENOENT/);
});

test("whoever reads it while it is written has all of one state", async () => {
  await writeFile(file, "before", { mode: 0o600 });
  const reading = await open(file);
  await reported(file, output, async () => undefined);
  expect(await reading.readFile("utf8")).toBe("before");
  await reading.close();
  expect(await content()).toMatchObject({ state: "done" });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

test("a symbolic link stays one, and what it names is written", async () => {
  const linked = join(directory, "linked.json");
  await writeFile(linked, "");
  await symlink("linked.json", file);
  await reported(file, output, async () => undefined);
  expect((await lstat(file)).isSymbolicLink()).toBe(true);
  expect(JSON.parse(await readFile(linked, "utf8"))).toMatchObject({ state: "done" });
});

test("a device stays one", async () => {
  await reported("/dev/null", output, async () => undefined);
  expect((await stat("/dev/null")).isCharacterDevice()).toBe(true);
});

test("a place that cannot be written to is refused before the command begins", async () => {
  await mkdir(file);
  const command = () => Promise.reject(new Error("it began"));
  await expect(reported(file, output, command)).rejects.toMatchObject({ code: "usage" });
  await expect(reported(join(top, "none", "r"), output, command)).rejects.toMatchObject({
    code: "usage",
  });
});
