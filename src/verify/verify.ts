/** Verifies a repository: checks every object that counts, names what is wrong and what it costs. Writes nothing. */
import { ThinkbackError } from "../errors.js";
import type { LaneOf } from "../format/description.js";
import { type LookedAtPin, lookAtPins } from "../repository/kept-pins.js";
import { LogView } from "../repository/log/log-view.js";
import type { Evidence } from "../repository/records/evidence.js";
import { TableNames } from "../repository/table-names.js";
import type { Keyring } from "../sealing/keyring.js";
import { ListedStore } from "../storage/listed-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { WithoutStore } from "../storage/without-store.js";
import { type Account, accountFor, type Gone, goneOf } from "./accounting.js";
import { Belonging } from "./belonging.js";
import { checkBundle } from "./bundles.js";
import { checkOperations } from "./check-operations.js";
import { checkRecoveries } from "./check-recoveries.js";
import { type Cost, Costs, readStanding, readUnaware, type Standing } from "./costs.js";
import { Findings } from "./findings.js";
import { checkKeyObjects } from "./key-objects.js";
import { findMissing, LogLinks } from "./log-links.js";
import { findLostBases } from "./lost-bases.js";
import { type Manifests, readManifests } from "./manifests.js";
import { ObjectCheck, type ReadShare } from "./object-check.js";
import { refusalOf } from "./refusals.js";
import { checkSmallObjects, type SmallObjects } from "./small-objects.js";
import { checkChains } from "./version-chains.js";

export interface VerifyOptions {
  /** Which share of the data objects is read to the end, line by line: 0 for none, 1 for all. */
  share: number;
  /** Gives a number in [0, 1), to draw a share between 0 and 1. */
  random: () => number;
  observer?: VerifyObserver;
  signal?: AbortSignal;
  /** Set if the store holds one lane of a repository. */
  lane?: LaneOf | undefined;
  /** The keys with which a sealed repository was opened: with them its key sets and proofs are checked too. */
  keyring?: Keyring;
}

export interface VerifyObserver {
  listed(objects: number): void;
  checked(objects: number, of: number, read: ReadShare): void;
  chain(table: string): void;
}

/** An object that is missing or cannot be used. */
export interface Damage {
  object: string;
  /** A sentence without its subject: "it is missing". */
  what: string;
  /** What cannot be restored because of it. Empty if other objects hold what it held. */
  costs: Cost[];
  /** What commands refuse because of it, in words; undefined if they refuse nothing. */
  refuses: string | undefined;
  /** Only its keys and digests are wrong: its documents are whole. */
  isOfKeys: boolean;
}

export interface VerifyReport {
  /** In the order of names. */
  damage: Damage[];
  /** Everything that cannot be restored because of the damage; undefined if nothing at all can be read. */
  lost: Cost[] | undefined;
  /** Breaks of version chains for which there is no evidence yet. Each is proof of a missed change. */
  breaks: Evidence[];
  /** False if the keys at hand read no documents: then keys and digests were checked in their place. */
  readsDocuments: boolean;
  /** True if the version chains of the whole log were followed. */
  chainsFollowed: boolean;
  account: Account;
  gone: Gone;
  /** Pins that no longer keep what they were pinned for. */
  lostPins: LookedAtPin[];
  /** What was read to its end. */
  read: ReadShare;
  /** The last names of tables; undefined if the catalog cannot be read. */
  names: TableNames | undefined;
}

/** All that is found, and what it was computed from. */
export interface Verified {
  report: VerifyReport;
  listed: ListedStore;
  small: SmallObjects;
  manifests: Manifests;
  /** Undefined if nothing at all can be read. */
  standing: Standing | undefined;
  costs: Costs | undefined;
}

/** Throws, with code "repository", if the store holds nothing of a repository. */
export async function verify(store: ObjectStore, options: VerifyOptions): Promise<Verified> {
  const { observer, signal, share } = options;
  const listed = await ListedStore.of(store, (objects) => observer?.listed(objects));
  // Of another lane something is known to have been there.
  if (!options.lane?.number) await refuseForeign(listed);
  const findings = new Findings();
  const belonging = new Belonging();
  const small = await checkSmallObjects(listed, findings);
  const { lane, keyring } = options;
  // They are common to all lanes.
  if (keyring && small.description && !lane?.number) {
    await checkKeyObjects(store, small.description.id, keyring, findings);
  }
  const readsDocuments = store.sealing?.readsDocuments ?? true;
  await checkOperations(listed, findings, share >= 1 && readsDocuments);
  await checkRecoveries(listed, findings, share >= 1 && readsDocuments);
  const manifests = await readManifests(listed, small, belonging, findings);
  const read = await checkObjects(listed, small, manifests, belonging, findings, options);
  await checkBundle(listed, manifests, belonging, findings);
  belonging.settle(small.description, findings);
  const view = await readView(listed, findings);
  if (view) await findMissing(view, listed, findings);
  const standing = await standingWithout(listed, findings, options.lane?.root);
  if (standing) findLostBases(listed, standing, manifests, findings);
  const isWhole = share >= 1 && readsDocuments && standing !== undefined;
  const breaks = isWhole
    ? await checkChains(standing, findings, {
        onTable: (table) => observer?.chain(table),
        signal,
      })
    : [];
  const unaware = await readUnaware(listed);
  const costs = standing && (await Costs.of(standing, unaware.claimed, manifests, findings.all()));
  const report: VerifyReport = {
    damage: findings.all().map((finding) => ({
      object: finding.object,
      what: finding.what,
      costs: costs?.ofObject(finding) ?? [],
      refuses: refusalOf(finding, listed, manifests, unaware),
      isOfKeys: finding.isOfKeys === true,
    })),
    lost: costs?.all(),
    breaks,
    readsDocuments,
    chainsFollowed: isWhole,
    account: accountFor(listed, small, manifests, view, findings),
    gone: goneOf(listed, small),
    lostPins: standing ? await lostPinsIn(standing) : [],
    read,
    names: standing && (await tableNames(standing)),
  };
  return { report, listed, small, manifests, standing, costs };
}

/** Throws, with code "repository", if a store holds nothing of a repository. */
export async function refuseForeign(store: ObjectStore): Promise<void> {
  for (const prefix of ["repository.json", "writers/", "log/", "folded/", "bases/"]) {
    for await (const _ of store.list(prefix)) return;
  }
  throw new ThinkbackError("repository", `there is no repository at ${store.location}`, {
    hint: "check --repo",
  });
}

async function checkObjects(
  listed: ListedStore,
  small: SmallObjects,
  manifests: Manifests,
  belonging: Belonging,
  findings: Findings,
  { share, random, observer, signal }: VerifyOptions,
): Promise<ReadShare> {
  const total = listed.names("log/").length + manifests.referred.size;
  let checked = 0;
  const check = new ObjectCheck(listed, small, manifests, belonging, findings, {
    share,
    random,
    signal,
    onObject: (read) => observer?.checked((checked += 1), total, read),
  });
  await check.checkSegments(new LogLinks(small.claims, manifests, findings));
  await check.checkReferred();
  return check.read;
}

/**
 * The log as the names of its segments tell it, whatever they hold. If it cannot be read, the result is undefined and
 * the cause is among the findings.
 */
function readView(listed: ListedStore, findings: Findings): Promise<LogView | undefined> {
  const has = (name: string) => findings.has(name) && !name.startsWith("log/");
  return findings.during(() => LogView.read(new WithoutStore(listed, { has })));
}

function standingWithout(
  listed: ListedStore,
  findings: Findings,
  common: ObjectStore | undefined,
): Promise<Standing | undefined> {
  const damaged = findings.all().flatMap(({ object, isOfKeys }) => (isOfKeys ? [] : [object]));
  return findings.during(() => readStanding(listed, damaged, common));
}

async function lostPinsIn({ look }: Standing) {
  const looked = await new Findings().during(async () => {
    return lookAtPins(look);
  });
  return (looked ?? []).filter(({ losses }) => losses.length > 0);
}

function tableNames({ look }: Standing): Promise<TableNames | undefined> {
  return new Findings().during(() => TableNames.read(look));
}
