/** `thinkback evidence` and `evidence check` on a directory: who signs, and what an alteration of any file shows. */
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { exitStatus } from "../../src/errors.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeWorld, type World } from "../verify/world.js";

let directory: string;
let repo: string;
let key: string;
let world: World;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-evidence-"));
  [repo, key] = [join(directory, "repository"), join(directory, "auditor.key")];
  world = await makeWorld();
  const to = new DirectoryStore(repo);
  for await (const { name } of world.store.list(""))
    await to.put(name, await world.store.get(name));
  expect((await run("key", "new", key)).status).toBe(0);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(...args: string[]) {
  const printed = { stdout: "", stderr: "" };
  const streams = {
    stdout: { write: (text: string | Uint8Array) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
  };
  const status = await runCommandLine(args, streams, { environment: {}, directory });
  return { status, ...printed };
}

const from = () => new Date(world.instants.begin).toISOString();
const publicKey = async () => /:([0-9a-f]{64})$/m.exec(await readFile(key, "utf8"))![1]!;

let out: string;
let reports = 0;
beforeEach(() => {
  reports += 1;
  out = join(directory, `report ${reports}`);
});

const make = (...more: string[]) =>
  run("evidence", "--repo", repo, "--from", from(), "--out", out, "--sign", key, ...more);

describe("a report of a period", () => {
  test("is written, signed and found unaltered", async () => {
    const made = await make("--json");
    expect([made.status, made.stderr]).toEqual([0, ""]);
    expect((await readdir(out)).sort()).toEqual([
      "evidence.html",
      "evidence.json",
      "signature.json",
    ]);
    const report = JSON.parse(await readFile(join(out, "evidence.json"), "utf8")) as object;
    expect(JSON.parse(made.stdout)).toMatchObject(report);
    const checked = await run("evidence", "check", out, "--trust", await publicKey());
    expect([checked.status, checked.stdout]).toEqual([
      0,
      expect.stringMatching(
        /unaltered: evidence\.json, evidence\.html[\s\S]*signed by key [0-9a-f]{64}\n$/,
      ),
    ]);
    const alone = await run("evidence", "check", join(out, "evidence.html"));
    expect(alone.stdout).toMatch(/^unaltered: evidence\.html\n[\s\S]*this check cannot know/);
    const other = await run("evidence", "check", out, "--trust", "0".repeat(64));
    expect([other.status, other.stderr]).toEqual([8, expect.stringContaining("not trusted")]);
  });

  test("that is not over ends now, in every file; one that has not begun is refused", async () => {
    const [began, future] = [Date.now(), new Date(Date.now() + 86_400_000).toISOString()];
    const made = await make("--to", future, "--json");
    expect([made.status, made.stderr]).toEqual([
      0,
      expect.stringMatching(/--to .* has not come yet: the report ends now/),
    ]);
    const { to, made: at } = JSON.parse(made.stdout) as { to: string; made: string };
    expect(to).toBe(at);
    expect(Date.parse(to)).toBeGreaterThanOrEqual(began);
    expect(Date.parse(to)).toBeLessThanOrEqual(Date.now());
    for (const file of await readdir(out)) {
      const text = await readFile(join(out, file), "utf8");
      expect([file, text.includes(future.slice(0, 10))]).toEqual([file, false]);
    }
    const range = ["--from", future, "--to", future, "--out", join(out, "none")];
    const refused = await run("evidence", "--repo", repo, "--sign", key, ...range);
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/--from .* has not come yet/),
    ]);
  });

  test("has a signature that can be checked without Thinkback", async () => {
    await make();
    const bytes = await readFile(join(out, "signature.json"));
    const body = bytes.subarray(0, bytes.indexOf(',"signature":"'));
    const { by, signature } = JSON.parse(bytes.toString()) as {
      by: { verify: string };
      signature: string;
    };
    const x = Buffer.from(by.verify, "hex").toString("base64url");
    const pem = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
    expect(verifySignature(null, body, pem, Buffer.from(signature, "hex"))).toBe(true);
  });

  test("shows an alteration of any byte of any file", async () => {
    await make();
    for (const file of await readdir(out)) {
      const bytes = await readFile(join(out, file));
      for (const at of [0, bytes.length >> 1, bytes.length - 3]) {
        const altered = Buffer.from(bytes);
        altered[at] = altered[at]! ^ 1;
        await writeFile(join(out, file), altered);
        const { status } = await run("evidence", "check", out);
        expect([file, at, status]).toEqual([file, at, exitStatus.damaged]);
      }
      await writeFile(join(out, file), bytes);
    }
    expect((await run("evidence", "check", out)).status).toBe(0);
  });

  test("shows that a file is missing, is not signed, or is another report's", async () => {
    await make();
    await writeFile(join(out, "more.txt"), "");
    const more = await run("evidence", "check", out);
    expect([more.status, more.stderr]).toEqual([
      0,
      expect.stringMatching(/more\.txt is not signed/),
    ]);
    const single = await run("evidence", "check", join(out, "more.txt"));
    expect([single.status, single.stderr]).toEqual([
      8,
      expect.stringMatching(/not one of the files/),
    ]);
    const first = out;
    out = `${first} again`;
    await make("--to", new Date(world.instants.last).toISOString());
    await cp(join(first, "evidence.json"), join(out, "evidence.json"));
    expect((await run("evidence", "check", out)).stderr).toMatch(/evidence\.json was altered/);
    await rm(join(first, "evidence.html"));
    expect((await run("evidence", "check", first)).status).toBe(8);
    await rm(join(first, "signature.json"));
    expect((await run("evidence", "check", first)).stderr).toMatch(
      /signature\.json cannot be read/,
    );
  });

  test("is refused without a key, into a full directory, or of a period that ends before it begins", async () => {
    const unsigned = await run("evidence", "--repo", repo, "--from", from(), "--out", out);
    expect([unsigned.status, unsigned.stderr]).toEqual([2, expect.stringMatching(/--sign FILE/)]);
    await make();
    expect((await make()).stderr).toMatch(/it is not empty/);
    out = `${out} new`;
    const backwards = await make("--to", new Date(world.instants.begin - 1).toISOString());
    expect([backwards.status, backwards.stderr]).toEqual([
      2,
      expect.stringMatching(/is after --to/),
    ]);
  });
});

test("a sealed repository's report is signed by the key at hand, under its name there", async () => {
  const [sealed, keys] = [join(directory, "sealed"), join(directory, "keys")];
  expect((await run("init", "--repo", sealed, "--keys", keys)).status).toBe(0);
  const reader = join(keys, "reader.key");
  const args = ["--repo", sealed, "--identity", reader, "--from", "1 hour ago", "--out", out];
  const made = await run("evidence", ...args);
  expect([made.status, made.stderr]).toEqual([0, ""]);
  expect(made.stdout).toMatch(/signed by reader \(key [0-9a-f]{64}, of key set 1\)/);
  const checked = await run("evidence", "check", out);
  expect(checked.stdout).toMatch(/signed by reader \(key/);
});

test("verify stores what it found, also if that is damage, and goes on if it cannot", async () => {
  const copy = join(directory, "verified");
  await cp(repo, copy, { recursive: true });
  const verified = await run("verify", "--repo", copy);
  expect(verified.stderr).toBe("");
  const records = async () => {
    const names = (await readdir(join(copy, "verifications"))).sort();
    const texts = names.map(async (name) => readFile(join(copy, "verifications", name), "utf8"));
    return (await Promise.all(texts)).map((text) => JSON.parse(text) as object);
  };
  const before = await records();
  const [pins] = await readdir(join(copy, "pins"));
  await rm(join(copy, "pins", pins!));
  expect((await run("verify", "--repo", copy)).status).toBe(exitStatus.damaged);
  const after = await records();
  expect(after.slice(before.length)).toMatchObject([
    { sound: false, share: 0, damage: { count: 1, objects: [`pins/${pins}`] } },
  ]);
});
