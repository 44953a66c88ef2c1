/** Checks the JSON objects that stand alone: each can be read and is what its name says, and no number is missing. */
import { damaged } from "../errors.js";
import type { RepositoryDescription } from "../format/description.js";
import { type JsonKind, readStored } from "../format/json-object.js";
import {
  expiryPrefix,
  numberedName,
  operationManifestName,
  parseFoldedName,
  parseHoldName,
  parseOperationName,
  parseRecoveryName,
  parseSegmentName,
  parseWriterName,
  pinsPrefix,
  ratesPrefix,
  repositoryName,
  settingsPrefix,
  writerName,
} from "../format/names.js";
import { type RecoveryEvent, readEvent } from "../recoveries/events.js";
import {
  distrustedClaim,
  type EpochClaim,
  isDistrusted,
  readClaim,
} from "../repository/log/claims.js";
import { readAcknowledgement } from "../repository/records/acknowledgement.js";
import { readAuditEntry } from "../repository/records/audit.js";
import { readDrill } from "../repository/records/drills.js";
import { readEvidence } from "../repository/records/evidence.js";
import { readMark } from "../repository/records/marks.js";
import { operationEndKind, readOperation } from "../repository/records/operations.js";
import { readVerification } from "../repository/records/verifications.js";
import { alarmsKind } from "../repository/registers/alarms.js";
import { type Expiry, expiriesKept, expiryKind } from "../repository/registers/expiry.js";
import { readAnswer, readWish } from "../repository/registers/handovers.js";
import { holdKind } from "../repository/registers/holds.js";
import { leaseKind } from "../repository/registers/lease.js";
import { readMember } from "../repository/registers/members.js";
import { type Numbered, readNumbered } from "../repository/registers/numbered.js";
import { pinsKind } from "../repository/registers/pins.js";
import { ratesKind } from "../repository/registers/rates.js";
import { settingsKind } from "../repository/registers/settings.js";
import { readToken } from "../repository/registers/tokens.js";
import { readDescription } from "../repository/repository.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { Findings } from "./findings.js";
import { directoryOf, kindOf, type ObjectKind, type SmallKind } from "./object-kinds.js";

/** What other checks need to know from the objects that stand alone. */
export interface SmallObjects {
  /** Undefined if it cannot be read. */
  description: RepositoryDescription | undefined;
  /** The claims that can be read, by epoch. */
  claims: EpochClaim[];
  /** The newest expiry that can be read; undefined if there is none. */
  expiry: Expiry | undefined;
}

/** One that was listed may be deleted by now. */
const shortLived: ReadonlySet<ObjectKind> = new Set([
  "alarms",
  "lease",
  "hold",
  "member",
  "recovery",
  "audit",
]);

export async function checkSmallObjects(
  store: ListedStore,
  findings: Findings,
): Promise<SmallObjects> {
  const small: SmallObjects = { description: undefined, claims: [], expiry: undefined };
  for (const name of store.names()) {
    const kind = kindOf(name);
    if (!kind || !isSmall(kind) || kind === "claim") continue;
    if (shortLived.has(kind) && (await store.isGone(name))) continue;
    await findings.during(async () => take(small, kind, await readers[kind](store, name)));
  }
  small.claims = await checkClaims(store, findings);
  if (!(await store.lookFor(repositoryName))) findings.add(repositoryName, "it is missing");
  await checkNumbers(store, findings);
  await checkEpochs(store, small.claims, findings);
  return small;
}

function isSmall(kind: ObjectKind): kind is SmallKind {
  return Object.hasOwn(readers, kind);
}

function take(small: SmallObjects, kind: ObjectKind, found: unknown): void {
  if (kind === "repository") small.description = found as RepositoryDescription;
  else if (kind === "expiry") small.expiry = found as Expiry;
}

type Read = (store: ObjectStore, name: string) => Promise<unknown>;

const numberOf = (name: string) => Number(/(\d{10})\.json$/.exec(name)![1]);

const numbered =
  <T extends Numbered>(kind: JsonKind<T>) =>
  (store: ObjectStore, name: string): Promise<T> =>
    readNumbered(store, name.slice(0, -"0000000000.json".length), numberOf(name), kind);

const readers: Record<SmallKind, Read> = {
  repository: readDescription,
  claim: readClaim,
  evidence: readEvidence,
  acknowledgement: readAcknowledgement,
  settings: numbered(settingsKind),
  expiry: numbered(expiryKind),
  rates: numbered(ratesKind),
  lease: numbered(leaseKind),
  alarms: numbered(alarmsKind),
  pins: numbered(pinsKind),
  hold: readHold,
  member: readMember,
  wish: readWish,
  answer: readAnswer,
  drill: readDrill,
  mark: readMark,
  verification: readVerification,
  audit: readAuditEntry,
  token: readToken,
  operation: readOperation,
  "operation end": readNamedEnd,
  recovery: readRecoveryEvent,
};

async function readNamedEnd(store: ObjectStore, name: string): Promise<void> {
  const { id, round } = await readStored(store, name, operationEndKind);
  const named = parseOperationName(operationManifestName(directoryOf(name)));
  if (named?.id !== id || named.round !== round) {
    throw damaged(name, "its name and its content differ");
  }
}

function readRecoveryEvent(store: ObjectStore, name: string): Promise<RecoveryEvent> {
  const { id, number } = parseRecoveryName(name)!;
  return readEvent(store, id, number);
}

async function readHold(store: ObjectStore, name: string): Promise<void> {
  const { unique } = await numbered(holdKind)(store, name);
  if (unique !== parseHoldName(name)) throw damaged(name, "its name and its content differ");
}

/** Adds a finding for each missing number below the greatest: from 1 on, but of expiries only the last ones. */
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

/** Reads the claims. One that cannot be read is a finding, unless a later one says that it is distrusted. */
async function checkClaims(store: ListedStore, findings: Findings): Promise<EpochClaim[]> {
  const claims: EpochClaim[] = [];
  const unread = new Map<number, Findings>();
  for (const name of store.names("writers/")) {
    const epoch = parseWriterName(name);
    if (epoch === undefined) continue;
    const found = new Findings();
    const claim = await found.during(() => readClaim(store, name));
    if (claim) claims.push(claim);
    else unread.set(epoch, found);
  }
  for (const [epoch, found] of unread) {
    if (isDistrusted(epoch, claims)) claims.push(distrustedClaim(epoch));
    else findings.addAll(found);
  }
  return claims.sort((a, b) => a.epoch - b.epoch);
}

/** Adds a finding for each missing claim, up to the last epoch that has a claim or a segment. */
async function checkEpochs(
  store: ListedStore,
  claims: EpochClaim[],
  findings: Findings,
): Promise<void> {
  const epochs = [
    ...store.names("writers/").map(parseWriterName),
    ...store.names("log/").map((name) => parseSegmentName(name)?.epoch),
    ...store.names("folded/").map((name) => parseFoldedName(name)?.last.epoch),
  ];
  const last = epochs.reduce<number>((greatest, epoch) => Math.max(greatest, epoch ?? 0), 0);
  for (let epoch = 1; epoch <= last; epoch += 1) {
    const name = writerName(epoch);
    if (isDistrusted(epoch, claims)) continue;
    if (!(await store.lookFor(name))) findings.add(name, "it is missing");
  }
}
