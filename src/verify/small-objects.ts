/** Checks the JSON objects that stand alone: each can be read and is what its name says, and no number is left out. */
import { damaged } from "../errors.js";
import { readAcknowledgement } from "../repository/acknowledgement.js";
import { readEvidence } from "../repository/evidence.js";
import { checkExpiry, type Expiry, expiriesKept } from "../repository/expiry.js";
import { readJsonObject } from "../repository/json-object.js";
import { readClaim, type WriterClaim } from "../repository/log.js";
import {
  expiryPrefix,
  numberedName,
  parseFoldedName,
  parseReaderName,
  parseSegmentName,
  parseWriterName,
  pinsPrefix,
  ratesPrefix,
  readerPrefix,
  repositoryName,
  settingsPrefix,
  writerName,
} from "../repository/names.js";
import { type Numbered, readNumbered } from "../repository/numbered.js";
import { checkPins, type PinsRecord } from "../repository/pins.js";
import type { RepositoryDescription } from "../repository/repository.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Findings } from "./findings.js";
import { directoryOf, kindOf, type ObjectKind } from "./object-kinds.js";

/** Of the objects that stand alone, what the checks of the others go by. */
export interface SmallObjects {
  /** Undefined if it cannot be read. */
  description: RepositoryDescription | undefined;
  /** Those that can be read, by epoch. */
  claims: WriterClaim[];
  /** The newest that can be read. */
  expiry: Expiry | undefined;
}

export async function checkSmallObjects(
  store: ListedStore,
  findings: Findings,
): Promise<SmallObjects> {
  const small: SmallObjects = { description: undefined, claims: [], expiry: undefined };
  for (const name of store.names()) {
    const kind = kindOf(name);
    const read = kind && readers[kind];
    if (!kind || !read) continue;
    // Leases and readers are short-lived.
    if ((kind === "lease" || kind === "reader") && (await store.isGone(name))) continue;
    await findings.during(async () => take(small, kind, await read(store, name)));
  }
  if (!(await store.lookFor(repositoryName))) findings.add(repositoryName, "it is missing");
  await checkNumbers(store, findings);
  await checkEpochs(store, findings);
  return small;
}

function take(small: SmallObjects, kind: ObjectKind, found: unknown): void {
  if (kind === "repository") small.description = found as RepositoryDescription;
  else if (kind === "claim") small.claims.push(found as WriterClaim);
  else if (kind === "expiry") small.expiry = found as Expiry;
}

type Read = (store: ObjectStore, name: string) => Promise<unknown>;

const numberOf = (name: string) => Number(/(\d{10})\.json$/.exec(name)![1]);

const numbered =
  (type: string): Read =>
  (store, name) => {
    const number = numberOf(name);
    return readNumbered(store, name.slice(0, -"0000000000.json".length), number, type);
  };

const readers: Partial<Record<ObjectKind, Read>> = {
  repository: (store, name) => readJsonObject(store, name, "repository"),
  claim: readClaim,
  evidence: readEvidence,
  acknowledgement: readAcknowledgement,
  settings: numbered("settings"),
  expiry: async (store, name) => checkExpiry((await numbered("expiry")(store, name)) as Expiry),
  rates: numbered("rates"),
  lease: numbered("lease"),
  pins: async (store, name) => checkPins((await numbered("pins")(store, name)) as PinsRecord),
  reader: readReader,
  drill: readDrill,
};

async function readReader(store: ObjectStore, name: string): Promise<void> {
  const unique = parseReaderName(name)!;
  const record = await readNumbered<Numbered & { unique: string }>(
    store,
    readerPrefix(unique),
    numberOf(name),
    "reader",
  );
  if (record.unique !== unique) throw damaged(name, "its name and its content differ");
}

async function readDrill(store: ObjectStore, name: string): Promise<void> {
  const drill = await readJsonObject<{ ended: number; unique: string }>(store, name, "drill");
  const said = `drills/${String(drill.ended).padStart(15, "0")}-${drill.unique}.json`;
  if (said !== name) throw damaged(name, "its name and its content differ");
}

/** What is numbered from 1 has every number up to its last one; of expiries, the last ones. */
async function checkNumbers(store: ListedStore, findings: Findings): Promise<void> {
  const greatest = new Map<string, number>();
  for (const prefix of [settingsPrefix, expiryPrefix, ratesPrefix, pinsPrefix]) {
    for (const name of store.names(prefix)) {
      if (kindOf(name)) greatest.set(directoryOf(name), numberOf(name));
    }
  }
  for (const [prefix, last] of greatest) {
    const first = prefix === expiryPrefix ? Math.max(1, last - expiriesKept + 1) : 1;
    for (let number = first; number < last; number += 1) {
      const name = numberedName(prefix, number);
      if (!(await store.lookFor(name))) findings.add(name, "it is missing");
    }
  }
}

/** Every epoch up to the last one that has a claim or a segment was claimed. */
async function checkEpochs(store: ListedStore, findings: Findings): Promise<void> {
  const epochs = [
    ...store.names("writers/").map(parseWriterName),
    ...store.names("log/").map((name) => parseSegmentName(name)?.epoch),
    ...store.names("folded/").map((name) => parseFoldedName(name)?.last.epoch),
  ];
  const last = epochs.reduce<number>((greatest, epoch) => Math.max(greatest, epoch ?? 0), 0);
  for (let epoch = 1; epoch <= last; epoch += 1) {
    const name = writerName(epoch);
    if (!(await store.lookFor(name))) findings.add(name, "it is missing");
  }
}
