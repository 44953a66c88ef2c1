/** The head that status prints remembers the key sets too, and is refused where the newest one was taken away. */
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { afterEach, beforeEach, expect, test } from "vitest";
import { refuseCutOffAt } from "../../src/cli/expected-head.js";
import { initCommand } from "../../src/cli/init.js";
import { addKeyCommand, removeKeyCommand } from "../../src/cli/key.js";
import { statusCommand } from "../../src/cli/status.js";
import { numberedName } from "../../src/format/names.js";
import { parseHeads } from "../../src/repository/log/head.js";
import { identityOf } from "../../src/sealing/identity.js";
import { noKeys, readKeyring, setKeysOfProcess } from "../../src/sealing/keyring.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository } from "../repository/recording.js";
import { Printed } from "./printed.js";

let directory: string;
let repo: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-head-"));
  repo = join(directory, "repo");
  const args = { repo, keys: join(directory, "keys"), reader: [], offline: [], writer: [] };
  await initCommand(args, new Printed());
  setKeysOfProcess(await readKeyring([join(args.keys, "reader.key")]));
});
afterEach(async () => {
  setKeysOfProcess(noKeys);
  await rm(directory, { recursive: true, force: true });
});

const addKey = async (name: string) => {
  const key = identityOf(await generateX25519Identity()).public.recipient;
  await addKeyCommand(name, { repo, key, role: "reader" }, new Printed());
};

/** What status prints to people, and the same for programs. */
async function head(): Promise<string> {
  const printed = new Printed();
  await statusCommand({ repo }, printed);
  const [, text] = /^head +(\S+)$/m.exec(printed.text)!;
  expect(printed.results["head"]).toBe(text);
  return text!;
}

const expecting = (text: string) => refuseCutOffAt(new DirectoryStore(repo), text);
const file = (number: number) => join(repo, numberedName("keys/", number));

test("a key set that was taken away is missed, and so is one that was exchanged", async () => {
  const before = await head();
  expect(before).toMatch(/^keys\/1\/[0-9a-f]{64}$/);
  await addKey("more");
  const after = await head();
  expect(after).toMatch(/^keys\/2\/[0-9a-f]{64}$/);
  await expecting(before);
  await expecting(after);
  await removeKeyCommand("more", { repo }, new Printed());
  await expecting(after);

  await rm(file(3));
  await expecting(after);
  await rename(file(2), join(directory, "kept"));
  await expecting(before);
  await expect(expecting(after)).rejects.toMatchObject({
    code: "damaged",
    message: expect.stringMatching(/key set that is expected, 2: it was taken away/) as string,
  });
  await addKey("another");
  await expect(expecting(after)).rejects.toThrow(/expected, 2: another one is in its place/);
  await rename(join(directory, "kept"), file(2));
  await expecting(after);
});

test("a repository that is not sealed has no key set", async () => {
  const sealed = await head();
  await rm(repo, { recursive: true });
  setKeysOfProcess(noKeys);
  await makeRepository(new DirectoryStore(repo));
  await expect(expecting(sealed)).rejects.toThrow(/expected, 1: it is not sealed/);
});

test("heads without a key set, as they were printed before, are read as ever", () => {
  const checksum = "0".repeat(64);
  const lanes = `0/1.5/${checksum},1/2.7/${checksum}`;
  expect(parseHeads(lanes)).toMatchObject({ logs: [{ lane: 0 }, { lane: 1 }], keys: undefined });
  const { keys, logs } = parseHeads(`${lanes},keys/3/${checksum}`);
  expect([logs.length, keys]).toEqual([2, { number: 3, checksum }]);
  for (const wrong of [
    `keys/3`,
    `keys/x/${checksum}`,
    `keys/3/${checksum},keys/4/${checksum}`,
    `${lanes},`,
  ]) {
    expect(() => parseHeads(wrong), wrong).toThrow(/is not a head of the log/);
  }
});
