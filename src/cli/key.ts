import { systemClock } from "../clock.js";
import { passphraseVariable } from "../configuration/settings.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { descriptionKind } from "../format/description.js";
import { readStored } from "../format/json-object.js";
import { repositoryName } from "../format/names.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { type Lane, lanesIn } from "../repository/lanes.js";
import { endLogOf } from "../repository/log/distrust.js";
import { openRepository } from "../repository/repository.js";
import type { Identity } from "../sealing/identity.js";
import { keysSince } from "../sealing/key-ages.js";
import { lastKeyProofs, proveKey } from "../sealing/key-proofs.js";
import {
  checkKeys,
  type Key,
  type KeySet,
  makeKeySet,
  putKeySet,
  type Role,
  roles,
  signersOf,
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
  const { verify } = identity.public;
  output.line(
    `made ${file}; its public text, for --reader, --offline or --writer of \`thinkback init\`, and --key of \`thinkback key add\`:\n`,
  );
  output.line(publicText(identity.public));
  output.line(`\nWho shall trust this key, as that of a reader, is given --trust ${verify}`);
  output.result({ file, ...identity.public });
}

export async function listKeysCommand(args: { repo: string }, output: Output): Promise<void> {
  const { store, set } = await keysAt(args.repo);
  const now = systemClock.now();
  const proofs = await lastKeyProofs(store, set.repository);
  const since = await keysSince(store, set);
  output.line(keyTable(set, proofs, now, since));
  const removed = set.former.filter((one) => set.keys.every(({ verify }) => verify !== one.verify));
  if (removed.length > 0) {
    output.line("\nRemoved, but what they have signed is believed still:\n");
    const rows = removed.map(({ name, role, verify }) => [name, role, verify]);
    output.line(formatTable(["key", "role", "verification key"], rows));
  }
  output.result({
    set: set.number,
    at: formatInstant(set.at),
    keys: set.keys.map((key) => keyResult(key, provenState(set, key, proofs, now, since))),
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
  const set = await changeKeys(args.repo, ({ keys, former }) => {
    refuseFormerName(key, former);
    return { keys: [...keys, key], former };
  });
  output.line(
    key.role === "reader"
      ? `key set ${set.number} is in force: ${name} opens everything, also what was written before`
      : `key set ${set.number} is in force: ${name} may capture, and reads no document`,
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
  let removed: AnyKey | undefined;
  let lanes: Lane[] = [];
  const set = await changeKeys(
    args.repo,
    (before) => {
      removed = keyToRemove(name, before, args.distrust === true);
      return without(removed, before, args.distrust === true);
    },
    async (store) => {
      if (args.distrust) lanes = await lanesIn(await openRepository(store));
      await endLogs(lanes, removed?.verify);
    },
  );
  // Until it was removed, a process with that key may have claimed an epoch once more.
  await endLogs(lanes, removed?.verify);
  const role = removed?.role;
  const isReader = role === "reader";
  const lost = isReader
    ? `what is written from now on cannot be read by ${name}`
    : `${name} may not capture any more, and opens nothing that is written from now on`;
  output.line(`key set ${set.number} is in force: ${lost}`);
  output.line("What was written before can be read as before, as long as it is stored");
  output.line(
    args.distrust
      ? "Nothing that it has signed is believed; of its log that stays which a reader has folded. A capture goes on after that"
      : "What it has signed is believed, also what it signs later: after a theft remove it with --distrust",
  );
  output.line(
    "Processes that run take it up within ten minutes; a capture that has no other key then ends",
  );
  const lacks = missing(role, set.keys);
  if (lacks !== undefined) output.note(`thinkback: ${lacks}`);
  output.result({ set: set.number, keys: set.keys, former: set.former });
}

/** A key of a set, present or former. */
type AnyKey = Key | KeySet["former"][number];

/** Throws if another key had the name: then nobody could tell which of the two is to be distrusted. */
function refuseFormerName({ name, verify }: Key, former: KeySet["former"]): void {
  if (!former.some((one) => one.name === name && one.verify !== verify)) return;
  throw new ThinkbackError("usage", `a key that was removed had the name ${name}`, {
    hint: "give another name: what the removed one has signed is believed still, and by its name it can be distrusted",
  });
}

/** @param called its name, or its verification key @param isFormer a removed one is meant too */
function keyToRemove(called: string, { keys, former }: KeySet, isFormer: boolean): AnyKey {
  const all = isFormer ? [...keys, ...former] : keys;
  const found = all.filter(({ name, verify }) => name === called || verify === called);
  const [first] = found;
  if (!first) {
    throw new ThinkbackError("unknown", `there is no key ${called}`, {
      hint: `keys there: ${all.map(({ name }) => name).join(", ")}`,
    });
  }
  if (found.every(({ verify }) => verify === first.verify)) return first;
  const present = keys.filter((key) => found.includes(key)).length;
  const list = found.map(
    (key, i) =>
      `${key.verify ?? "one that signs nothing"} (${i < present ? "present" : "removed"})`,
  );
  throw new ThinkbackError("usage", `${called} is the name of several keys`, {
    hint: `give in its place the verification key of the one that is meant: ${list.join(", ")}`,
  });
}

function without(
  removed: AnyKey,
  set: KeySet,
  isDistrusted: boolean,
): Pick<KeySet, "keys" | "former"> {
  const { name, verify } = removed;
  const others = set.former.filter((one) => one.verify !== verify);
  if (verify === undefined)
    return { keys: set.keys.filter((key) => key !== removed), former: others };
  const keys = set.keys.filter((key) => key.verify !== verify);
  const role = signersOf(set).get(verify)!;
  return { keys, former: isDistrusted ? others : [...others, { name, role, verify }] };
}

/** Ends the log of each lane before what a key has signed. */
async function endLogs(lanes: readonly Lane[], verify: string | undefined): Promise<void> {
  if (verify === undefined) return;
  for (const { store } of lanes) await endLogOf(store, verify, thisProcess, systemClock.now());
}

/** What is missing now that a key of that role was removed; undefined if nothing is. */
function missing(role: Role | undefined, keys: readonly Key[]): string | undefined {
  if (keys.some((key) => key.role === role && !key.offline)) return undefined;
  return role === "writer"
    ? "no writer is left: whoever captures needs the key of a reader"
    : "no reader is left but offline ones: nothing is folded, drilled or restored without their keys";
}

/** Puts a changed key set, signed by the readers among the identities at hand. */
async function changeKeys(
  location: string,
  change: (set: KeySet) => Pick<KeySet, "keys" | "former">,
  beforehand: (store: ObjectStore) => Promise<void> = () => Promise.resolve(),
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
  await beforehand(store);
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
  const isWriter = ({ public: { recipient } }: Identity) =>
    set.keys.some((key) => key.recipient === recipient && key.role === "writer");
  const { identities } = keysOfProcess();
  if (identities.length > 0 && identities.every(isWriter)) {
    throw new ThinkbackError("usage", "a writer has nothing to prove: its key opens no document", {
      hint: "give the key of a reader: --identity FILE",
    });
  }
  for (const identity of identities.filter((one) => !isWriter(one))) {
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

/** @param since when each key was added, by recipient; with the set if absent */
export function keyTable(
  set: KeySet,
  proofs: ReadonlyMap<string, Instant>,
  now: Instant,
  since: ReadonlyMap<string, Instant> = new Map(),
): string {
  const rows = set.keys.map((key) => {
    const { proven, isDue } = provenState(set, key, proofs, now, since);
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

function provenState(
  { at }: KeySet,
  key: Key,
  proofs: ReadonlyMap<string, Instant>,
  now: Instant,
  since: ReadonlyMap<string, Instant>,
) {
  const proven = key.verify === undefined ? undefined : proofs.get(key.verify);
  return { proven, isDue: isOverdue(key, proven, since.get(key.recipient) ?? at, now) };
}

function keyResult(key: Key, { proven, isDue }: ReturnType<typeof provenState>): object {
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
