import type { ListedStore } from "../storage/listed-store.js";
import { kindOf, type ObjectKind } from "./object-kinds.js";

const everything = "everything, until it is put back";
const maintenance = "fold and expire, until it is put back";

type Rule = (object: string, listed: ListedStore) => boolean;

const always: Rule = () => true;
/** What nobody can miss is in nobody's way. */
const ifThere: Rule = (object, listed) => listed.listedSize(object) !== undefined;
/** Of numbered objects the last one counts. */
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
  pin: [maintenance, ifLast],
  lease: [maintenance, ifLast],
  reader: ["expire, until it is put back", ifLast],
  rates: ["estimates, until it is put back", ifLast],
  acknowledgement: ["status, until it is put back", ifThere],
};

/** What commands refuse because an object that stands alone is damaged; undefined if they do without it. */
export function refusalOf(object: string, listed: ListedStore): string | undefined {
  const kind = kindOf(object);
  const [text, holds] = (kind && refusals[kind]) ?? [];
  return holds?.(object, listed) ? text : undefined;
}
