/** What the commands for keys say, and what of it depends on the role of a key. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { keyTable } from "../../src/cli/key.js";
import { runCommandLine } from "../../src/cli/program.js";
import { openRepository } from "../../src/repository/repository.js";
import { identityOf } from "../../src/sealing/identity.js";
import { keysSince } from "../../src/sealing/key-ages.js";
import { type Key, makeKeySet, putKeySet, readKeySet } from "../../src/sealing/key-set.js";
import { readKeyring, setKeysOfProcess } from "../../src/sealing/keyring.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";

let directory: string;
let repo: string;
const keyFile = (name: string) => join(directory, "keys", `${name}.key`);

beforeAll(async () => {
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-key-"));
  repo = join(directory, "repository");
  expect((await run("init", "--repo", repo, "--keys", join(directory, "keys"))).status).toBe(0);
});
afterEach(() => setKeysOfProcess({ identities: [], trusted: new Set(), repositories: new Set() }));
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

const asReader = () => ["--repo", repo, "--identity", keyFile("reader")];

test("a new key says where its public text is given, and what trusts it", async () => {
  const { stdout } = await run("key", "new", keyFile("second"));
  expect(stdout).toMatch(/--key of `thinkback key add`/);
  const [, verify] = /age1[0-9a-z]+:([0-9a-f]{64})/.exec(stdout)!;
  expect(stdout).toContain(`--trust ${verify}`);
});

test("adding and removing say what the role of the key may, and what is missing then", async () => {
  const add = (name: string, role: string, of = name) =>
    run("key", "add", name, "--role", role, "--key", keyFile(of), ...asReader());
  const remove = (name: string, ...more: string[]) =>
    run("key", "remove", name, ...more, ...asReader());
  for (const name of ["w2", "r2"]) await run("key", "new", keyFile(name));
  expect((await add("w2", "writer")).stdout).toMatch(/w2 may capture, and reads no document/);
  expect((await add("r2", "reader")).stdout).toMatch(/r2 opens everything/);
  expect((await run("key", "list", ...asReader())).stdout).not.toMatch(/overdue/);

  const removed = await remove("writer");
  expect(removed.stdout).toMatch(/writer may not capture any more/);
  expect(removed.stdout).toMatch(/What it has signed is believed, .*--distrust/);
  expect(removed.stderr).toBe("");
  const last = await remove("w2", "--distrust");
  expect(last.stdout).toMatch(/Nothing that it has signed is believed; /);
  expect(last.stderr).toMatch(/no writer is left/);
  const online = await remove("r2");
  expect(online.stdout).toMatch(/cannot be read by r2\nWhat was written before can be read/);
  expect(online.stderr).toBe("");
  expect((await remove("reader")).stderr).toMatch(/no reader is left but offline ones/);
});

test("a key that had the name of another is told from it before one of them is distrusted", async () => {
  const store = new DirectoryStore(join(directory, "names"));
  const of = ["--repo", store.location, "--identity", join(directory, "named", "reader.key")];
  await run("init", "--repo", store.location, "--keys", join(directory, "named"));
  const newKey = async (name: string) => {
    const { stdout } = await run("key", "new", keyFile(name));
    return /age1[0-9a-z]+:([0-9a-f]{64})/.exec(stdout)![1]!;
  };
  const add = (name: string, file: string, role = "writer") =>
    run("key", "add", name, "--role", role, "--key", keyFile(file), ...of);
  const distrust = (name: string) => run("key", "remove", name, "--distrust", ...of);
  const verifyOf = async (which: "keys" | "former") => {
    const { stdout } = await run("key", "list", "--json", ...of);
    const list = JSON.parse(stdout) as Record<string, { name: string; verify: string }[]>;
    return list[which]!.filter(({ name }) => name === "writer").map(({ verify }) => verify);
  };
  const [stolen] = await verifyOf("keys");
  const innocent = await newKey("innocent");
  await run("key", "remove", "writer", ...of);
  expect((await run("key", "list", ...of)).stdout).toContain(`writer  writer  ${stolen}`);
  const refused = await add("writer", "innocent");
  expect([refused.status, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/a key that was removed had the name writer/),
  ]);
  expect((await add("writer2", "innocent")).status).toBe(0);

  // As a repository is whose keys were changed before such a name was refused.
  const [identity] = (await readKeyring([join(directory, "named", "reader.key")])).identities;
  const set = await readKeySet(store, 3);
  const renamed = set.keys.map((key) =>
    key.name === "writer2" ? { ...key, name: "writer" } : key,
  );
  await putKeySet(store, makeKeySet({ ...set, number: 4, keys: renamed }, [identity!], set));
  expect(await distrust("writer")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`${innocent} (present), ${stolen} (removed)`),
  });
  expect((await distrust(stolen!)).status).toBe(0);
  expect([await verifyOf("keys"), await verifyOf("former")]).toEqual([[innocent], []]);
});

test("a key that comes back under another name and role is believed as before, and distrusted as one", async () => {
  const location = join(directory, "roles");
  const of = ["--repo", location, "--identity", join(directory, "role-keys", "reader.key")];
  await run("init", "--repo", location, "--keys", join(directory, "role-keys"));
  await run("key", "new", keyFile("back"));
  const add = (name: string, role: string) =>
    run("key", "add", name, "--role", role, "--key", keyFile("back"), ...of);
  await add("back", "reader");
  const name = "settings/0000000001.json";
  const reader = await readKeyring([of[3]!]);
  const own = await readKeyring([keyFile("back")]);
  const written = await openRepository(new DirectoryStore(location), {
    ...own,
    trusted: reader.trusted,
  });
  await written.store.put(name, Buffer.from("of a reader"));
  const isBelieved = async () => {
    const { store } = await openRepository(new DirectoryStore(location), reader);
    return (await store.get(name)).toString() === "of a reader";
  };
  await run("key", "remove", "back", ...of);
  expect((await add("again", "writer")).status).toBe(0);
  expect(await isBelieved()).toBe(true);
  await run("key", "remove", "again", ...of);
  expect(await isBelieved()).toBe(true);
  await add("third", "writer");
  await run("key", "remove", "again", "--distrust", ...of);
  const { stdout } = await run("key", "list", ...of);
  expect(stdout).not.toMatch(/again|third/);
});

test("a drill with a writer's key is refused: it has nothing to prove", async () => {
  const other = join(directory, "other");
  await run("init", "--repo", other, "--keys", join(directory, "others"));
  const drill = (...names: string[]) =>
    run(
      "key",
      "drill",
      "--repo",
      other,
      ...names.flatMap((name) => ["--identity", join(directory, "others", `${name}.key`)]),
    );
  expect(await drill("writer")).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/a writer has nothing to prove/),
  });
  expect(await drill("writer", "reader")).toMatchObject({ status: 0, stderr: "" });
});

test("a mirror without a key of a sealed source is refused before anything is copied", async () => {
  const to = join(directory, "copy");
  const { status, stderr } = await run("copy", "--from", repo, "--to", to, "--mirror");
  expect([status, stderr]).toEqual([2, expect.stringMatching(/is sealed/)]);
  await expect(readdir(to)).rejects.toThrow("ENOENT");
});

test("a key is overdue 90 days after it was added, or was proven", async () => {
  const day = 86_400_000;
  const identity = identityOf(await generateX25519Identity());
  const key = (name: string, of: typeof identity): Key => {
    return { name, role: "reader", offline: false, ...of.public };
  };
  const [first, second] = [
    key("first", identity),
    key("second", identityOf(await generateX25519Identity())),
  ];
  const store = new MemoryStore();
  const put = async (number: number, at: number, keys: Key[]) => {
    const set = makeKeySet({ repository: "r", number, at, keys, former: [] }, [identity]);
    expect(await putKeySet(store, set)).toBe(true);
    return set;
  };
  await put(1, 0, [first, second]);
  await put(2, 10 * day, [first]);
  const set = await put(3, 100 * day, [first, second]);
  const since = await keysSince(store, set);
  expect(since).toEqual(
    new Map([
      [first.recipient, 0],
      [second.recipient, 100 * day],
    ]),
  );
  const overdue = (now: number, proofs = new Map<string, number>()) =>
    keyTable(set, proofs, now * day, since)
      .split("\n")
      .filter((line) => line.includes("overdue"))
      .map((line) => line.split(" ")[0]);
  expect(overdue(100)).toEqual(["first"]);
  expect(overdue(100, new Map([[first.verify!, 20 * day]]))).toEqual([]);
  expect(overdue(191)).toEqual(["first", "second"]);
});
