/** Key files name the repositories that they are for, and a repository in the place of another one is refused. */
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type InitArguments, initCommand } from "../../src/cli/init.js";
import { addKeyCommand, listKeysCommand } from "../../src/cli/key.js";
import { openRepository } from "../../src/repository/repository.js";
import { noKeys, readKeyring, setKeysOfProcess } from "../../src/sealing/keyring.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { Printed } from "./printed.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-keys-"));
});
afterEach(async () => {
  setKeysOfProcess(noKeys);
  await rm(directory, { recursive: true, force: true });
});

const at = (...names: string[]) => join(directory, ...names);

/** Makes a repository. Returns its id. */
async function init(repo: string, args: Partial<InitArguments>): Promise<string> {
  const printed = new Printed();
  const none = { reader: [], offline: [], writer: [] };
  await initCommand({ repo: at(repo), ...none, ...args }, printed);
  return printed.results["repository"] as string;
}

async function withKey(...names: string[]) {
  const keyring = await readKeyring([at(...names)]);
  setKeysOfProcess(keyring);
  return keyring;
}

test("init writes the repository into each file that it makes, and no other one is opened", async () => {
  const id = await init("repo", { keys: at("keys") });
  for (const name of ["reader.key", "offline.key", "writer.key"]) {
    expect((await withKey("keys", name)).repositories).toEqual(new Set([id]));
    await openRepository(new DirectoryStore(at("repo")));
  }
  // Whoever can write there puts another repository of the same keys in its place.
  const secrets = async (name: string) =>
    (await readFile(at("keys", `${name}.key`), "utf8")).replaceAll(/^#.*\n/gm, "");
  for (const name of ["reader", "offline"]) await writeFile(at(name), await secrets(name));
  const other = await init("other", {
    reader: [`r=${at("reader")}`],
    offline: [`o=${at("offline")}`],
  });
  await rename(at("repo"), at("away"));
  await rename(at("other"), at("repo"));
  await withKey("keys", "reader.key");
  for (const open of [
    () => openRepository(new DirectoryStore(at("repo"))),
    () => listKeysCommand({ repo: at("repo") }, new Printed()),
  ]) {
    await expect(open()).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining(`the one at ${at("repo")}, ${other}: for ${id}`) as string,
    });
  }
  // A file without such a line opens both, as ever.
  await withKey("reader");
  await openRepository(new DirectoryStore(at("repo")));
  await openRepository(new DirectoryStore(at("away")));
});

test("init adds the repository to a file that is given, if that names others", async () => {
  const first = await init("first", { keys: at("keys") });
  await writeFile(at("free"), await generateX25519Identity());
  const key = (name: string) => `${name}=${at("keys", `${name}.key`)}`;
  const given = { reader: [key("reader")], offline: [key("offline")], writer: [`w=${at("free")}`] };
  const second = await init("second", given);
  const named = (await withKey("keys", "reader.key")).repositories;
  expect(named).toEqual(new Set([first, second]));
  for (const repo of ["first", "second"]) await openRepository(new DirectoryStore(at(repo)));
  const free = await withKey("free");
  expect([free.repositories.size, free.trusted.size]).toEqual([0, 2]);
  await openRepository(new DirectoryStore(at("second")));
});

test("init that makes keys takes none, and then makes nothing", async () => {
  await init("first", { keys: at("given") });
  for (const option of ["reader", "offline", "writer"]) {
    const given = { keys: at("keys"), [option]: [`more=${at("given", `${option}.key`)}`] };
    await expect(init("repo", given)).rejects.toMatchObject({
      code: "usage",
      message: expect.stringContaining("exclude each other") as string,
    });
  }
  await expect(readdir(at("keys"))).rejects.toThrow(/ENOENT/);
  await expect(readdir(at("repo"))).rejects.toThrow(/ENOENT/);
});

test("key add prints what to write into the file of the key", async () => {
  const id = await init("repo", { keys: at("keys") });
  await withKey("keys", "reader.key");
  await writeFile(at("new"), `${await generateX25519Identity()}\n`);
  const printed = new Printed();
  await addKeyCommand("new", { repo: at("repo"), key: at("new"), role: "writer" }, printed);
  const lines = printed.results["lines"] as string[];
  expect(lines[0]).toBe(`# repository: ${id}`);
  for (const line of lines) expect(printed.text.split("\n")).toContain(line);
  await writeFile(at("new"), `${lines.join("\n")}\n${await readFile(at("new"), "utf8")}`);
  await withKey("new");
  await openRepository(new DirectoryStore(at("repo")));
});
