/** Accounts for every object of a repository: whether readers use it and, if not, why it is there. */
import { bundlePrefix, parseBundleName, parseSegmentName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { isBelieved } from "../repository/log/claims.js";
import type { LogView } from "../repository/log/log-view.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { directoryOf, kindOf } from "./object-kinds.js";
import type { SmallObjects } from "./small-objects.js";

/** Why an object is there. */
export type Standpoint =
  /** Readers use it, or would if something else were lost. */
  | "used"
  /** Other objects hold the same; a sweep deletes it. */
  | "replaced"
  /** It was expired; a sweep, or a rule of the bucket, deletes it. */
  | "expired"
  /** A writer put it after a later writer had shut it out. */
  | "disowned"
  /** No manifest refers to it: a copy or fold is under way, or was cut short. */
  | "unfinished"
  /** Its name has none of the known forms. */
  | "foreign"
  /** Something is wrong with it. */
  | "damaged";

export interface Amount {
  objects: number;
  bytes: number;
}

export type Account = Record<Standpoint, Amount>;

/** What was expired and is deleted by now. */
export interface Gone {
  /** How many manifests of bases and folded segments. */
  manifests: number;
  /** The log up to here was expired; undefined if all of it is kept. */
  logTo: Instant | undefined;
}

export function accountFor(
  store: ListedStore,
  small: SmallObjects,
  manifests: Manifests,
  view: LogView | undefined,
  findings: Findings,
): Account {
  const none = () => ({ objects: 0, bytes: 0 });
  const account: Account = {
    used: none(),
    replaced: none(),
    expired: none(),
    disowned: none(),
    unfinished: none(),
    foreign: none(),
    damaged: none(),
  };
  const pieces = view && new Set(view.pieces.map(({ name }) => name));
  const newestBundle = store.names(bundlePrefix).findLast(parseBundleName);
  for (const name of store.names()) {
    const standpoint = findings.has(name)
      ? "damaged"
      : standpointOf(name, small, manifests, pieces, newestBundle);
    account[standpoint].objects += 1;
    account[standpoint].bytes += store.listedSize(name)!;
  }
  return account;
}

export function goneOf(store: ListedStore, { expiry }: SmallObjects): Gone {
  const names = Object.keys({ ...expiry?.bases, ...expiry?.folded });
  return {
    manifests: names.filter((name) => !store.has(name)).length,
    logTo: expiry && expiry.logTo >= 0 ? expiry.logTo : undefined,
  };
}

function standpointOf(
  name: string,
  small: SmallObjects,
  manifests: Manifests,
  /** Names of the segments and folded segments that readers use; undefined if that is not known. */
  pieces: Set<string> | undefined,
  newestBundle: string | undefined,
): Standpoint {
  const kind = kindOf(name);
  if (kind === undefined) return "foreign";
  if (kind === "segment") return ofSegment(name, small, pieces);
  if (kind === "bundle") return name === newestBundle ? "used" : "replaced";
  if (kind.startsWith("folded")) return ofFolded(name, manifests, pieces);
  return kind.startsWith("base") ? ofBase(name, manifests) : "used";
}

function ofSegment(
  name: string,
  { expiry, claims }: SmallObjects,
  pieces: Set<string> | undefined,
): Standpoint {
  const segment = parseSegmentName(name)!;
  if (segment.to <= (expiry?.logTo ?? -1)) return "expired";
  if (!isBelieved(segment, claims)) return "disowned";
  return !pieces || pieces.has(name) ? "used" : "replaced";
}

function ofFolded(
  name: string,
  { folded, expired, disowned }: Manifests,
  pieces: Set<string> | undefined,
): Standpoint {
  const manifest = `${directoryOf(name)}manifest.json`;
  if (expired.has(manifest)) return "expired";
  if (disowned.has(manifest)) return "disowned";
  if (!folded.has(manifest)) return "unfinished";
  return !pieces || pieces.has(manifest) ? "used" : "replaced";
}

function ofBase(name: string, manifests: Manifests): Standpoint {
  if (manifests.bases.has(name) || manifests.referred.has(name)) return "used";
  if (manifests.expired.has(name)) return "expired";
  if (manifests.disowned.has(name)) return "disowned";
  return manifests.unreadable.has(tableOf(name)) ? "used" : "unfinished";
}

const tableOf = (name: string) => name.split("/")[1]!;
