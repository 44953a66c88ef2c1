/** What a stored object is, by its name. docs/format.md §2 lists the forms. */
import {
  parseBundleName,
  parseFoldedName,
  parseManifestName,
  parseSegmentName,
} from "../repository/names.js";

export type ObjectKind =
  | "repository"
  | "claim"
  | "segment"
  | "folded manifest"
  | "folded part"
  | "folded records"
  | "base manifest"
  | "base part"
  | "base keys"
  | "evidence"
  | "acknowledgement"
  | "pins"
  | "settings"
  | "expiry"
  | "rates"
  | "lease"
  | "reader"
  | "drill"
  | "bundle";

const table = "[A-Za-z0-9-]+";
const folded = "folded/\\d{15}-\\d{15}-\\d{8}\\.\\d{10}-\\d{8}\\.\\d{10}-\\d{12}-[a-z0-9]+";
const base = `bases/${table}/\\d{15}-[a-z0-9]+`;

const form = (pattern: string) => {
  const whole = new RegExp(`^${pattern}$`);
  return (name: string) => whole.test(name);
};

/** Records before parts: the name of a system stream has the form of a table's id. */
const forms: [ObjectKind, (name: string) => boolean][] = [
  ["segment", (name) => parseSegmentName(name) !== undefined],
  ["folded manifest", (name) => parseFoldedName(name) !== undefined],
  ["folded records", form(`${folded}/(catalog|coverage)-\\d{6}\\.zst`)],
  ["folded part", form(`${folded}/${table}-\\d{6}\\.zst`)],
  ["base manifest", (name) => parseManifestName(name) !== undefined],
  ["base keys", form(`${base}/part-\\d{6}\\.keys\\.zst`)],
  ["base part", form(`${base}/part-\\d{6}\\.zst`)],
  ["repository", form("repository\\.json")],
  ["claim", form("writers/\\d{8}\\.json")],
  ["evidence", form(`evidence/${table}/\\d{15}-\\d{10}\\.json`)],
  ["acknowledgement", form(`acknowledged/${table}/\\d{15}-\\d{15}\\.json`)],
  ["pins", form("pins/\\d{10}\\.json")],
  ["settings", form("settings/\\d{10}\\.json")],
  ["expiry", form("expiries/\\d{10}\\.json")],
  ["rates", form("rates/\\d{10}\\.json")],
  ["lease", form("leases/fold/\\d{10}\\.json")],
  ["reader", form("readers/[a-z0-9]+-\\d{10}\\.json")],
  ["bundle", (name) => parseBundleName(name) !== undefined],
  ["drill", form("drills/\\d{15}-[a-z0-9]+\\.json")],
];

/** The kind of an object; undefined if its name has none of the known forms. */
export function kindOf(name: string): ObjectKind | undefined {
  return forms.find(([, has]) => has(name))?.[0];
}

/** The directory of an object, with its slash: what tells one folded segment or base apart. */
export function directoryOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}
