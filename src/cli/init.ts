import { randomUUID } from "node:crypto";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { openOrCreateRepository } from "../repository/repository.js";
import { initSealed, refuseUsed } from "../sealing/init.js";
import { lastKeyProofs, proveKey } from "../sealing/key-proofs.js";
import type { Key, Role } from "../sealing/key-set.js";
import { locationElsewhere, storeAt } from "../storage/store-at.js";
import { cardText, keyTable } from "./key.js";
import { addNames, type GivenKey, givenKey, makeKeyFile } from "./key-files.js";
import type { Output } from "./output.js";

export interface InitArguments {
  repo: string;
  keys?: string;
  reader: string[];
  offline: string[];
  writer: string[];
  plain?: boolean;
}

/** Makes a repository; unless --plain is given, a sealed one. */
export async function initCommand(args: InitArguments, output: Output): Promise<void> {
  if (args.plain) return initPlain(args, output);
  if (args.keys !== undefined && isGiven(args)) {
    throw new ThinkbackError(
      "usage",
      "--keys makes all keys: it and keys that are given exclude each other",
      {
        hint: "make the repository with --keys, and add keys with `thinkback key add`; or give all of them, each by its file",
      },
    );
  }
  const now = systemClock.now();
  const store = storeAt(args.repo);
  // Before any key is made; and once more when they are.
  await refuseUsed(store);
  const id = randomUUID();
  const made = args.keys === undefined ? undefined : await makeKeys(args.keys, id);
  const keys = made?.keys ?? (await keysGiven(args));
  if (!keys.some(({ offline }) => offline)) {
    throw new ThinkbackError("usage", "no key is given that is kept offline", {
      hint: "give a second reader whose key is kept elsewhere, --offline NAME=KEY: if the first key is lost, so is every backup",
    });
  }
  if (!keys.some(({ role, offline }) => role === "reader" && !offline)) {
    throw new ThinkbackError("usage", "no reader is given", {
      hint: "give one with --reader NAME=KEY; or --keys DIRECTORY, which makes all keys",
    });
  }
  const signers = keys.flatMap(({ role, identity }) =>
    role === "reader" && identity ? [identity] : [],
  );
  const trust = signers.map(({ public: own }) => own.verify);
  const repositories = [id];
  for (const [texts, trusted] of [
    [args.reader, []],
    [[...args.offline, ...args.writer], trust],
  ] as const) {
    for (const file of texts.map((text) => text.replace(/^[^=]*=/, ""))) {
      if (!file.startsWith("age1")) await addNames(file, { repositories, trust: trusted });
    }
  }
  const set = await initSealed(store, keys.map(stored), signers, { id, created: now });
  output.line(`made a sealed repository at ${store.location}\n`);
  for (const signer of signers) await proveKey(store, set.keys, signer, now);
  output.line(keyTable(set.keys, await lastKeyProofs(store, set.keys.repository), now));
  output.line(`\n${cardText(set.keys, locationElsewhere(args.repo), trust)}`);
  if (made) output.line(`\n${made.advice}`);
  output.result({
    repository: set.repository.description.id,
    keys: set.keys.keys,
    trust,
  });
}

async function initPlain(args: InitArguments, output: Output): Promise<void> {
  if (args.keys !== undefined || isGiven(args)) {
    throw new ThinkbackError("usage", "--plain and keys exclude each other", {
      hint: "leave out --plain for a sealed repository, or the keys for one that is not",
    });
  }
  const { description, store } = await openOrCreateRepository(
    storeAt(args.repo),
    systemClock.now(),
  );
  output.line(`the repository at ${store.location} is not encrypted and not signed`);
  output.result({ repository: description.id, keys: [], trust: [] });
}

const isGiven = ({ reader, offline, writer }: InitArguments) =>
  reader.length + offline.length + writer.length > 0;

type InitKey = GivenKey & { role: Role; offline: boolean };

async function keysGiven({ reader, offline, writer }: InitArguments): Promise<InitKey[]> {
  const all: InitKey[] = [];
  for (const [option, texts, role] of [
    ["--reader", reader, "reader"],
    ["--offline", offline, "reader"],
    ["--writer", writer, "writer"],
  ] as const) {
    for (const text of texts) {
      all.push({ ...(await givenKey(option, text)), role, offline: option === "--offline" });
    }
  }
  return all;
}

/** Makes a reader's, an offline reader's and a writer's key in a directory, for a repository of that id. */
async function makeKeys(directory: string, id: string) {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const now = systemClock.now();
  const file = (name: string) => join(directory, `${name}.key`);
  for (const name of ["reader", "offline", "writer"]) await refuseLeft(file(name));
  const make = async (name: string, role: Role, offline: boolean, trust: string[] = []) => {
    const identity = await makeKeyFile(file(name), now, { repositories: [id], trust });
    return { name, role, offline, identity, public: identity.public } satisfies InitKey;
  };
  const readers = [await make("reader", "reader", false), await make("offline", "reader", true)];
  const trust = readers.map(({ public: own }) => own.verify);
  const keys: InitKey[] = [...readers, await make("writer", "writer", false, trust)];
  return {
    keys,
    advice: [
      `${file("writer")}   for the host that captures: it can write, and read no document`,
      `${file("reader")}   for the host that folds and restores`,
      `${file("offline")}  print it, or move it to a place that no computer of yours can reach, and delete it here`,
    ].join("\n"),
  };
}

/** Throws, with code "usage" and what to do, if there is a key file that nobody asked for. */
async function refuseLeft(file: string): Promise<void> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  throw new ThinkbackError("usage", `there is a key file already: ${file}`, {
    hint: "give another directory. If `thinkback init` was interrupted, and there is no repository of the id that its line `# repository:` names, delete the keys that it has left",
  });
}

function stored({ name, role, offline, public: own }: InitKey): Key {
  const { recipient, verify } = own;
  return { name, role, offline, recipient, ...(verify === undefined ? {} : { verify }) };
}
