import { systemClock } from "../clock.js";
import { passphraseVariable } from "../configuration/settings.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { descriptionKind } from "../format/description.js";
import { readStored } from "../format/json-object.js";
import { repositoryName } from "../format/names.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { lanesIn } from "../repository/lanes.js";
import { endLogOf } from "../repository/log/distrust.js";
import { openRepository } from "../repository/repository.js";
import type { Identity } from "../sealing/identity.js";
import { lastKeyProofs, proveKey } from "../sealing/key-proofs.js";
import {
  checkKeys,
  type Key,
  type KeySet,
  makeKeySet,
  putKeySet,
  type Role,
  roles,
  trustedKeySet,
} from "../sealing/key-set.js";
import { keysOfProcess, linesOf, refuseOtherRepository } from "../sealing/keyring.js";
import type { ObjectStore } from "../storage/object-store.js";
import { locationElsewhere, storeAt } from "../storage/store-at.js";
import { givenKey, makeKeyFile, publicText } from "./key-files.js";
import { isOverdue, openDocuments } from "./key-state.js";
import { formatOptionalInstant, formatTable, isoOrNull, type Output, shellWord } from "./output.js";

export async function newKeyCommand(
  file: string,
  args: { protect?: boolean; trust: string[] },
  output: Output,
): Promise<void> {
  const passphrase = process.env[passphraseVariable];
  if (args.protect && !passphrase) {
    throw new ThinkbackError("usage", `--protect wants a passphrase in ${passphraseVariable}`, {
      hint: "a passphrase on the command line would be seen by other users of the machine",
    });
  }
  const now = systemClock.now();
  const { protect, trust } = args;
  const identity = await makeKeyFile(file, now, { trust }, protect ? passphrase : undefined);
  output.line(`made ${file}; its public text, for --reader, --offline or --writer:\n`);
  output.line(publicText(identity.public));
  output.result({ file, ...identity.public });
}

export async function listKeysCommand(args: { repo: string }, output: Output): Promise<void> {
  const { store, set } = await keysAt(args.repo);
  const now = systemClock.now();
  const proofs = await lastKeyProofs(store, set.repository);
  output.line(keyTable(set, proofs, now));
  output.result({
    set: set.number,
    at: formatInstant(set.at),
    keys: set.keys.map((key) => keyResult(key, proofs, now)),
    former: set.former,
  });
}

export interface AddKeyArguments {
  repo: string;
  key: string;
  role: string;
  offline?: boolean;
}

export async function addKeyCommand(
  name: string,
  args: AddKeyArguments,
  output: Output,
): Promise<void> {
  if (!roles.includes(args.role as Role)) {
    throw new ThinkbackError("usage", `--role ${args.role} is neither reader nor writer`, {
      hint: "give reader for a key that restores, writer for one that captures",
    });
  }
  const { public: own } = await givenKey("--key", `${name}=${args.key}`);
  const { recipient, verify } = own;
  if (args.role === "writer" && verify === undefined) {
    throw new ThinkbackError(
      "usage",
      "of a writer the key file is wanted, or its whole public text",
      {
        hint: "age1… alone does not tell how its signatures are checked; `thinkback key new` prints both",
      },
    );
  }
  const key: Key = {
    name,
    role: args.role as Role,
    offline: args.offline === true,
    recipient,
    ...(verify === undefined ? {} : { verify }),
  };
  const set = await changeKeys(args.repo, ({ keys, former }) => ({ keys: [...keys, key], former }));
  output.line(
    `key set ${set.number} is in force: ${name} opens what ${key.role}s open, also what was written before`,
  );
  output.line("Processes that run take it up within ten minutes");
  const trust = [...keysOfProcess().trusted];
  const lines = linesOf({ repositories: [set.repository], trust });
  output.line("\nAdd to its key file: whom it trusts, and that it is for this repository alone\n");
  output.line(lines.join("\n"));
  output.result({ set: set.number, keys: set.keys, former: set.former, lines });
}

export async function removeKeyCommand(
  name: string,
  args: { repo: string; distrust?: boolean },
  output: Output,
): Promise<void> {
  const set = await changeKeys(
    args.repo,
    ({ keys, former }) => {
      const removed = keys.find((key) => key.name === name);
      if (!removed && args.distrust && former.some((one) => one.name === name)) {
        return { keys, former: former.filter((one) => one.name !== name) };
      }
      if (!removed) {
        throw new ThinkbackError("unknown", `there is no key ${name}`, {
          hint: `keys there: ${keys.map((key) => key.name).join(", ")}`,
        });
      }
      const { verify } = removed;
      const isFormer = verify !== undefined && args.distrust !== true;
      const others = former.filter((one) => one.verify !== verify);
      return {
        keys: keys.filter((key) => key !== removed),
        former: isFormer ? [...others, { name, role: removed.role, verify }] : others,
      };
    },
    async (store, before) => {
      if (args.distrust) await endLogs(store, before, name);
    },
  );
  output.line(
    `key set ${set.number} is in force: what is written from now on cannot be read by ${name}`,
  );
  output.line("What was written before can be, as long as it is stored");
  if (args.distrust) {
    output.line(
      "Nothing that it has signed is believed; of its log that stays which a reader has folded. A capture goes on after that",
    );
  }
  output.line(
    "Processes that run take it up within ten minutes; a capture that has no other key then ends",
  );
  output.result({ set: set.number, keys: set.keys, former: set.former });
}

/** Ends the log of each lane before what a key has signed. */
async function endLogs(store: ObjectStore, { keys, former }: KeySet, name: string): Promise<void> {
  const verify = [...keys, ...former].find((key) => key.name === name)?.verify;
  if (verify === undefined) return;
  for (const lane of await lanesIn(await openRepository(store))) {
    await endLogOf(lane.store, verify, thisProcess, systemClock.now());
  }
}

/** Puts a changed key set, signed by the readers among the identities at hand. */
async function changeKeys(
  location: string,
  change: (set: KeySet) => Pick<KeySet, "keys" | "former">,
  beforehand: (store: ObjectStore, set: KeySet) => Promise<void> = () => Promise.resolve(),
): Promise<KeySet> {
  const { store, set } = await keysAt(location);
  const { keys, former } = change(set);
  checkKeys(keys);
  const isReader = ({ public: own }: Identity) =>
    set.keys.some(({ role, verify }) => role === "reader" && verify === own.verify);
  const signers = keysOfProcess().identities.filter(isReader);
  if (signers.length === 0) {
    throw new ThinkbackError("usage", "keys are changed with the key of a reader", {
      hint: "give its file: --identity FILE",
    });
  }
  await beforehand(store, set);
  const content = { repository: set.repository, number: set.number + 1, keys, former };
  const next = makeKeySet({ ...content, at: systemClock.now() }, signers, set);
  if (await putKeySet(store, next)) return next;
  throw new ThinkbackError("fenced", "somebody else has changed the keys at the same time", {
    hint: "look at `thinkback key list`, and try again",
  });
}

export async function keyCardCommand(args: { repo: string }, output: Output): Promise<void> {
  const { set } = await keysAt(args.repo);
  const place = locationElsewhere(args.repo);
  output.line(cardText(set, place, [...keysOfProcess().trusted]));
  output.result({ repository: set.repository, ...place, keys: set.keys });
}

export async function keyDrillCommand(args: { repo: string }, output: Output): Promise<void> {
  const { store, set } = await keysAt(args.repo);
  const now = systemClock.now();
  const proven: object[] = [];
  for (const identity of keysOfProcess().identities) {
    const { recipient } = identity.public;
    await openDocuments(await openRepository(store), identity);
    const proof = await proveKey(store, set, identity, now);
    const name = set.keys.find((key) => key.recipient === recipient)!.name;
    output.line(
      `${name} opens what key set ${set.number} has for readers; proven at ${formatInstant(proof.at)}`,
    );
    proven.push({ name, set: set.number, at: formatInstant(proof.at) });
  }
  output.result({ proven });
}

/** The key set of a sealed repository. */
async function keysAt(location: string): Promise<{ store: ObjectStore; set: KeySet }> {
  const store = storeAt(location);
  const { id, sealed } = await readStored(store, repositoryName, descriptionKind).catch(
    (error: unknown) => {
      throw new ThinkbackError(
        "repository",
        `there is no repository at ${store.location}: ${messageOf(error)}`,
        {
          hint: "check --repo",
          cause: error,
        },
      );
    },
  );
  if (!sealed) {
    throw new ThinkbackError(
      "repository",
      `the repository at ${store.location} is not sealed: it has no keys`,
      {
        hint: "a sealed repository is made by `thinkback init`",
      },
    );
  }
  refuseOtherRepository(keysOfProcess(), store.location, id);
  const { trusted } = keysOfProcess();
  if (trusted.size === 0) {
    throw new ThinkbackError("usage", "it is not known which keys to trust", {
      hint: "give --identity FILE or --trust KEY",
    });
  }
  return { store, set: await trustedKeySet(store, id, trusted) };
}

export function keyTable(set: KeySet, proofs: ReadonlyMap<string, Instant>, now: Instant): string {
  const rows = set.keys.map((key) => {
    const { proven, isDue } = provenState(key, proofs, now);
    return [
      key.name,
      key.role,
      key.offline ? "offline" : "",
      `${formatOptionalInstant(proven)}${isDue ? ", overdue" : ""}`,
      key.recipient,
    ];
  });
  return formatTable(["key", "role", "kept", "last proven", "recipient"], rows);
}

function provenState(key: Key, proofs: ReadonlyMap<string, Instant>, now: Instant) {
  const proven = key.verify === undefined ? undefined : proofs.get(key.verify);
  return { proven, isDue: isOverdue(key, proven, now) };
}

function keyResult(key: Key, proofs: ReadonlyMap<string, Instant>, now: Instant): object {
  const { proven, isDue } = provenState(key, proofs, now);
  return { ...key, verify: key.verify ?? null, lastProven: isoOrNull(proven), overdue: isDue };
}

/** What somebody has to know who comes with a key and nothing else. */
export function cardText(
  { repository, keys }: KeySet,
  { location, needs }: ReturnType<typeof locationElsewhere>,
  trusted: readonly string[],
): string {
  const repo = shellWord(location);
  const trust = trusted.map((verify) => ` --trust ${verify}`).join("");
  return [
    "RECOVERY CARD: print it, and keep it with the offline key",
    "",
    `  repository  ${repository}`,
    `  where       ${location}`,
    ...needs.map((need) => `  wants       ${need}`),
    ...keys.map(
      ({ name, role, offline, verify }) =>
        `  key         ${name}, ${role}${offline ? ", kept offline" : ""}: ${verify ?? "signs nothing"}`,
    ),
    "",
    "  To restore everything, on a machine with Thinkback and a RethinkDB server:",
    `    thinkback restore --repo ${repo} --identity KEYFILE${trust} --target rethinkdb://HOST:28015`,
    "  Without Thinkback: docs/format.md, section 16, with age, zstd and jq",
    "  Prove once in a while that the key still opens the repository:",
    `    thinkback key drill --repo ${repo} --identity KEYFILE${trust}`,
  ].join("\n");
}
