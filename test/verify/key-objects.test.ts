/** Key sets of a sealed repository, and proofs of its keys: verify checks all of them, and names what is wrong. */
import { generateX25519Identity } from "age-encryption";
import { beforeEach, expect, test } from "vitest";
import { decodeJsonObject, encodeJsonObject, encodeStored } from "../../src/format/json-object.js";
import { numberedName } from "../../src/format/names.js";
import { type Identity, identityOf, signatureBy } from "../../src/sealing/identity.js";
import { keyProofKind, proveKey } from "../../src/sealing/key-proofs.js";
import { type KeySet, keySetKind, makeKeySet, putKeySet } from "../../src/sealing/key-set.js";
import type { MemoryStore } from "../../src/storage/memory-store.js";
import { verify } from "../../src/verify/verify.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { makeSealedHistory, type SealedHistory, sealedId } from "../sealing/sealed-history.js";

let world: SealedHistory;
/** Three key sets, of which the last one has another reader; and proofs of both readers. */
let store: MemoryStore;
let other: Identity;
let sets: KeySet[];

beforeEach(async () => {
  world ??= await makeSealedHistory(1);
  other = identityOf(await generateX25519Identity());
  store = await copyOf(world.stored);
  const added = { name: "other", role: "reader" as const, offline: false, ...other.public };
  sets = [world.set];
  for (const keys of [world.set.keys, [...world.set.keys, added]]) {
    const number = sets.length + 1;
    const content = { repository: sealedId, number, at: number, keys, former: [] };
    const set = makeKeySet(content, [world.reader]);
    sets.push(set);
    await putKeySet(store, set);
  }
  await proveKey(store, sets[0]!, world.reader, 1000);
  await proveKey(store, sets[2]!, other, 2000);
});

const nameOfSet = (number: number) => numberedName("keys/", number);

async function found(of: MemoryStore, keyring = world.keyring): Promise<[string, string][]> {
  const options = { share: 0, random: () => 0, keyring };
  const { report } = await verify(world.opened(of), options);
  return report.damage.map(({ object, what }) => [object, what]);
}

test("that are in order are no damage, for readers and for writers", async () => {
  expect(await found(store)).toEqual([]);
  const { trusted } = world.keyring;
  expect(
    await found(store, { identities: [world.writer], trusted, repositories: new Set() }),
  ).toEqual([]);
  expect(await found(store, { identities: [other], trusted, repositories: new Set() })).toEqual([]);
});

test.each<[string, number, () => Buffer | undefined, RegExp]>([
  ["is missing", 2, () => undefined, /is missing/],
  ["is cut off", 2, () => encodeStored(keySetKind, sets[1]!).subarray(0, 200), /not JSON/],
  ["is of another number", 2, () => encodeStored(keySetKind, sets[0]!), /name and its content/],
  ["has another checksum", 3, () => altered(encodeStored(keySetKind, sets[2]!)), /checksum/],
  ["has another field", 2, () => encodeStored(keySetKind, { ...sets[1]!, at: 9 }), /not signed by/],
  [
    "is of another repository",
    3,
    () => encodeStored(keySetKind, made({ repository: "another" }, world.reader)),
    /of another repository/,
  ],
  ["is signed by a writer", 3, () => encodeStored(keySetKind, made({}, world.writer)), /signed/],
  [
    "is signed by who was added by it",
    3,
    () => encodeStored(keySetKind, made({}, other)),
    /signed/,
  ],
  [
    "has a group that does not open for a reader of it",
    3,
    () => mute(),
    /does not open what it has/,
  ],
])("a key set that %s is named", async (_, number, bytes, what) => {
  const copy = await copyOf(store, { [nameOfSet(number)]: bytes() });
  const [first, ...more] = await found(copy);
  expect(first).toEqual([nameOfSet(number), expect.stringMatching(what)]);
  // With a set that does not count, neither does a proof for it.
  expect(more.every(([name]) => name.startsWith("keys/proofs/"))).toBe(true);
});

function altered(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString().replace('"name":"other"', '"name":"0ther"'));
}

function made(change: Partial<KeySet>, signer: Identity): KeySet {
  return makeKeySet({ ...sets[2]!, ...change }, [signer]);
}

/** A set whose group of readers is for the other reader alone, although it names both. */
function mute(): Buffer {
  const onlyOther = makeKeySet({ ...sets[2]!, keys: sets[2]!.keys.slice(-1) }, [other]);
  // Signed as it is: what a defect of the one who made it would leave.
  return encodeStored(keySetKind, signedAnew({ ...sets[2]!, groups: onlyOther.groups }));
}

function signedAnew(set: KeySet): KeySet {
  const { signatures: _, ...content } = set;
  const message = Buffer.from(`thinkback keys 1\n${JSON.stringify(content)}`);
  const signature = signatureBy(world.reader, message).toString("hex");
  return { ...content, signatures: [{ by: world.reader.public.verify, signature }] };
}

test.each<[string, (proof: Record<string, unknown>) => object, RegExp]>([
  ["is altered", (proof) => ({ ...proof, set: 2 }), /not signed by the key/],
  ["claims another key", (proof) => ({ ...proof, by: world.writer.public.verify }), /not signed/],
])("a proof that %s is named", async (_, alter, what) => {
  const name = (await namesIn(store, "keys/proofs/"))[0]!;
  const {
    thinkback,
    version: __,
    checksum: ___,
    ...proof
  } = decodeJsonObject(await store.get(name), name, keyProofKind.type);
  const copy = await copyOf(store, { [name]: encodeJsonObject(thinkback as string, alter(proof)) });
  expect(await found(copy)).toEqual([[name, expect.stringMatching(what)]]);
});

test("a proof under another name, of another repository, or by no reader is named", async () => {
  const [first, second] = await namesIn(store, "keys/proofs/");
  const moved = first!.replace("000000000001000", "000000000009000");
  const ofMoved = await copyOf(store, { [moved]: await store.get(first!) });
  expect(await found(ofMoved)).toEqual([[moved, "its name and its content differ"]]);
  // The other one is a reader from the third set on.
  const early = await copyOf(store, { [second!]: undefined });
  const third = sets[2]!;
  await proveKey(early, { ...third, number: 1 }, other, 2000);
  expect(await found(early)).toEqual([[second, "it is by a key that is no reader of key set 1"]]);
  const foreign = await copyOf(store, { [second!]: undefined });
  await proveKey(foreign, { ...third, repository: "another" }, other, 2000);
  expect(await found(foreign)).toEqual([[second, "it is of another repository"]]);
  const cut = await copyOf(store, { [second!]: (await store.get(second!)).subarray(0, 50) });
  expect(await found(cut)).toEqual([[second, expect.stringContaining("not JSON")]]);
});
