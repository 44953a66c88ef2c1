/** Tells by an object's name of what kind it is. docs/format.md §2 lists the forms of names. */
import type { Kind } from "../format/data-kinds.js";
import { descriptionKind } from "../format/description.js";
import type { JsonKind } from "../format/json-object.js";
import {
  parseAuditName,
  parseBundleName,
  parseFoldedName,
  parseManifestName,
  parseMarkName,
  parseMemberName,
  parseOperationName,
  parseRecoveryName,
  parseRecoveryPlanName,
  parseSegmentName,
  parseTokenName,
  parseVerificationName,
} from "../format/names.js";
import { recoveryKind } from "../recoveries/events.js";
import { baseKind } from "../repository/bases/base.js";
import { claimKind } from "../repository/log/claims.js";
import { foldedKind } from "../repository/log/folded.js";
import { acknowledgementKind } from "../repository/records/acknowledgement.js";
import { auditKind } from "../repository/records/audit.js";
import { drillKind } from "../repository/records/drills.js";
import { evidenceKind } from "../repository/records/evidence.js";
import { markKind } from "../repository/records/marks.js";
import { operationEndKind, operationKind } from "../repository/records/operations.js";
import { verificationKind } from "../repository/records/verifications.js";
import { alarmsKind } from "../repository/registers/alarms.js";
import { expiryKind } from "../repository/registers/expiry.js";
import { answerKind, wishKind } from "../repository/registers/handovers.js";
import { holdKind } from "../repository/registers/holds.js";
import { leaseKind } from "../repository/registers/lease.js";
import { memberKind } from "../repository/registers/members.js";
import { pinsKind } from "../repository/registers/pins.js";
import { ratesKind } from "../repository/registers/rates.js";
import { settingsKind } from "../repository/registers/settings.js";
import { tokenKind } from "../repository/registers/tokens.js";

const table = "[A-Za-z0-9-]+";
const folded = "folded/\\d{15}-\\d{15}-\\d{8}\\.\\d{10}-\\d{8}\\.\\d{10}-\\d{12}-[a-z0-9]+";
const operation = "operations/\\d{15}-[0-9a-f]{8}-\\d{6}";
const base = `bases/${table}/\\d{15}-[a-z0-9]+`;

const form = (pattern: string) => {
  const whole = new RegExp(`^${pattern}$`);
  return (name: string) => whole.test(name);
};

interface StoredKind {
  /** True for the names of such objects. */
  has: (name: string) => boolean;
  /** The kind of JSON object, or of data object, that it is read as; the schema belongs to that. */
  as: JsonKind | Kind;
}

/** The first that fits counts. Records come before parts, because a system stream's name looks like a table's id. */
export const objectKinds = {
  segment: { has: (name) => parseSegmentName(name) !== undefined, as: "segment" },
  "folded manifest": { has: (name) => parseFoldedName(name) !== undefined, as: foldedKind },
  "folded records": { has: form(`${folded}/(catalog|coverage)-\\d{6}\\.zst`), as: "foldedRecords" },
  "folded part": { has: form(`${folded}/${table}-\\d{6}\\.zst`), as: "foldedPart" },
  "base manifest": { has: (name) => parseManifestName(name) !== undefined, as: baseKind },
  "base keys": { has: form(`${base}/part-\\d{6}\\.keys\\.zst`), as: "baseKeys" },
  "base part": { has: form(`${base}/part-\\d{6}\\.zst`), as: "basePart" },
  repository: { has: form("repository\\.json"), as: descriptionKind },
  claim: { has: form("writers/\\d{8}\\.json"), as: claimKind },
  evidence: { has: form(`evidence/${table}/\\d{15}-\\d{10}\\.json`), as: evidenceKind },
  acknowledgement: {
    has: form(`acknowledged/${table}/\\d{15}-\\d{15}\\.json`),
    as: acknowledgementKind,
  },
  alarms: { has: form("alarms/\\d{10}\\.json"), as: alarmsKind },
  pins: { has: form("pins/\\d{10}\\.json"), as: pinsKind },
  settings: { has: form("settings/\\d{10}\\.json"), as: settingsKind },
  expiry: { has: form("expiries/\\d{10}\\.json"), as: expiryKind },
  rates: { has: form("rates/\\d{10}\\.json"), as: ratesKind },
  lease: { has: form("leases/fold/\\d{10}\\.json"), as: leaseKind },
  wish: { has: form("handovers/\\d{8}-[a-z0-9]+\\.wish\\.json"), as: wishKind },
  answer: { has: form("handovers/\\d{8}-[a-z0-9]+\\.answer\\.json"), as: answerKind },
  member: { has: (name) => parseMemberName(name) !== undefined, as: memberKind },
  hold: { has: form("holds/[a-z0-9]+-\\d{10}\\.json"), as: holdKind },
  bundle: { has: (name) => parseBundleName(name) !== undefined, as: "bundle" },
  drill: { has: form("drills/\\d{15}-[a-z0-9]+\\.json"), as: drillKind },
  verification: { has: (name) => parseVerificationName(name) !== undefined, as: verificationKind },
  mark: { has: (name) => parseMarkName(name) !== undefined, as: markKind },
  operation: { has: (name) => parseOperationName(name) !== undefined, as: operationKind },
  audit: { has: (name) => parseAuditName(name) !== undefined, as: auditKind },
  token: { has: (name) => parseTokenName(name) !== undefined, as: tokenKind },
  "operation part": { has: form(`${operation}/part-\\d{6}\\.zst`), as: "operation" },
  "operation end": { has: form(`${operation}/end\\.json`), as: operationEndKind },
  recovery: { has: (name) => parseRecoveryName(name) !== undefined, as: recoveryKind },
  "recovery plan": { has: (name) => parseRecoveryPlanName(name) !== undefined, as: "plan" },
} satisfies Record<string, StoredKind>;

export type ObjectKind = keyof typeof objectKinds;

/** Kinds of the JSON objects that stand alone, without parts. */
export type SmallKind = {
  [K in ObjectKind]: (typeof objectKinds)[K]["as"] extends string
    ? never
    : K extends `${string} manifest`
      ? never
      : K;
}[ObjectKind];

const all = Object.entries(objectKinds) as [ObjectKind, StoredKind][];

/** The kind of an object; undefined if its name has none of the known forms. */
export function kindOf(name: string): ObjectKind | undefined {
  return all.find(([, { has }]) => has(name))?.[0];
}

/** The directory of an object, with its slash. Each folded segment and each base has its own. */
export function directoryOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}
