/** `thinkback init` is killed before each of its puts. The next one names what it left, with a remedy that works. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cli } from "./cli.js";

/** Kills the process when it is about to give an object its name for the n-th time. */
const killing = `
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
const { link } = fs;
let left = Number(process.env.KILLED_AT);
fs.link = async (...args) => {
  left -= 1;
  if (left === 0) process.kill(process.pid, "SIGKILL");
  return link(...args);
};
syncBuiltinESMExports();
`;

let directory: string;
let repo: string;
let keys: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-init-"));
  repo = join(directory, "repo");
  keys = join(directory, "keys");
  await writeFile(join(directory, "killing.mjs"), killing);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const init = (env: Record<string, string> = {}) =>
  cli(["init", "--repo", repo, "--keys", keys], env);

async function killedAt(put: number): Promise<void> {
  const preload = pathToFileURL(join(directory, "killing.mjs")).href;
  const { status } = await init({ NODE_OPTIONS: `--import=${preload}`, KILLED_AT: String(put) });
  expect(status).toBe(null);
}

/** The next one is refused. */
async function refused(status: number, message: RegExp): Promise<void> {
  const next = await init();
  expect([next.status, next.stderr]).toEqual([status, expect.stringMatching(message)]);
}

const works = async () => {
  const key = ["--identity", join(keys, "reader.key")];
  for (const command of [["key", "drill"], ["key", "card"], ["verify"]]) {
    const { status, stderr } = await cli([...command, "--repo", repo, ...key]);
    expect(status, stderr).toBe(0);
  }
};

test("before the key set there is nothing but keys, which are not overwritten", async () => {
  await killedAt(1);
  await refused(2, /there is a key file already: .*reader\.key\n.*delete the keys/);
  await rm(keys, { recursive: true });
  expect((await init()).status).toBe(0);
  await works();
});

test("before the description there is a key set, which is named", async () => {
  await killedAt(2);
  const message = /holds a key set and no repository: .*was interrupted\n.*delete keys\/0000000001/;
  await refused(4, message);
  const key = ["--identity", join(keys, "reader.key")];
  const verify = await cli(["verify", "--repo", repo, ...key]);
  expect([verify.status, verify.stderr]).toEqual([4, expect.stringMatching(message)]);
  await rm(join(repo, "keys", "0000000001.json"));
  await refused(2, /there is a key file already/);
  await rm(keys, { recursive: true });
  expect((await init()).status).toBe(0);
  await works();
});

test.each([3, 4])("before proof %i the repository is whole", async (put) => {
  await killedAt(put);
  await refused(4, /there is a repository at .* already\n.*the repository is whole/);
  await works();
});

test("keys that are left of another one are not overwritten, whichever is there", async () => {
  await mkdir(keys);
  await writeFile(join(keys, "writer.key"), "");
  await refused(2, /already: .*writer\.key/);
  expect(await readdir(keys)).toEqual(["writer.key"]);
});
