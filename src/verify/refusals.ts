import type { ListedStore } from "../storage/listed-store.js";
import type { Unaware } from "./costs.js";
import type { Finding } from "./findings.js";
import { type Manifests, manifestsOf } from "./manifests.js";
import { kindOf, type ObjectKind } from "./object-kinds.js";

const everything = "everything, until it is put back";
const maintenance = "fold and expire, until it is put back";

const wrongKeys =
  "nothing; but a capture with a writer's key resyncs wrongly by it, until a fold has made its keys anew";

/** True if commands refuse because of this damaged object. */
type Rule = (object: string, listed: ListedStore) => boolean;

const always: Rule = () => true;
/** Nothing tells readers of such an object that is missing, so it only matters if it is there. */
const ifThere: Rule = (object, listed) => listed.has(object);
/** Readers use only the last of the numbered objects. */
const ifLast: Rule = (object, listed) => {
  const prefix = object.slice(0, -"0000000000.json".length);
  return listed.names(prefix).at(-1) === object;
};

const refusals: Partial<Record<ObjectKind, [string, Rule]>> = {
  repository: [everything, always],
  claim: [everything, always],
  evidence: [everything, ifThere],
  expiry: [everything, ifLast],
  settings: [maintenance, ifLast],
  pins: [maintenance, ifLast],
  lease: [maintenance, ifLast],
  hold: ["expire, until it is put back", ifLast],
  rates: ["estimates, until it is put back", ifLast],
  acknowledgement: ["status, until it is put back", ifThere],
};

/** What commands refuse because of a damaged object, in words; undefined if they do without the object. */
export function refusalOf(
  { object, isOfKeys }: Finding,
  listed: ListedStore,
  manifests: Manifests,
  { inTheWay, read }: Unaware,
): string | undefined {
  if (isOfKeys) return wrongKeys;
  const kind = kindOf(object);
  const [text, holds] = (kind && refusals[kind]) ?? [];
  if (holds?.(object, listed)) return text;
  if (inTheWay.has(object)) return "everything, until it is put back or moved away";
  // A restore does not read keys, and sees by the listing what is missing.
  if (kind === "base keys" || !listed.has(object)) return undefined;
  const isRead = manifestsOf(object, manifests).some((name) => read.has(name));
  return isRead ? "restores that read it, until it is put back or repaired" : undefined;
}
