/**
 * What stores charge, as data. Prices change, and differ by region and contract: each profile says of when it is, and
 * none is a promise. Whoever decides by them checks them with the provider, or gives numbers of their own.
 */
import * as v from "valibot";
import { parse } from "yaml";
import { messageOf, ThinkbackError } from "../errors.js";

const price = v.custom<number>(
  (value) => typeof value === "number" && Number.isFinite(value) && value >= 0,
  "a number of 0 or more",
);

export const priceProfile = v.strictObject({
  name: v.string("a text"),
  /** The month of which the prices are, such as "2026-07". */
  asOf: v.custom<string>(
    (value) => typeof value === "string" && /^\d{4}-\d{2}$/.test(value),
    "a month in quotes, such as '2026-07'",
  ),
  /** Where the prices are from. */
  source: v.exactOptional(v.string("a text")),
  currency: v.string("a text"),
  /** Prices of 1,000 requests. A request for the size of an object is a head, a page of a listing a list. */
  per1000: v.strictObject(
    { put: price, get: price, head: price, list: price, delete: price },
    "prices",
  ),
  /** Of one GB (10^9 bytes) stored for a month of 30 days. */
  storagePerGbMonth: price,
  /** Of one GB that leaves the provider's network. */
  egressPerGb: price,
  /** Of one GB that is read, besides egress. */
  retrievalPerGb: price,
  /** An object that is deleted sooner is charged for so many days. */
  minimumDays: price,
});
export type PriceProfile = v.InferOutput<typeof priceProfile>;

/** Nobody has compared these prices with the providers' pages since they were written down. */
const fromMemory = { asOf: "2026-07", source: "list prices, written down from memory" };

/** List prices without free allowances, taxes and contracts. */
export const priceProfiles: readonly PriceProfile[] = [
  {
    name: "aws-s3-standard",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0.005, get: 0.0004, head: 0.0004, list: 0.005, delete: 0 },
    storagePerGbMonth: 0.023,
    egressPerGb: 0.09,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
  {
    name: "cloudflare-r2",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0.0045, get: 0.00036, head: 0.00036, list: 0.0045, delete: 0 },
    storagePerGbMonth: 0.015,
    egressPerGb: 0,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
  {
    name: "backblaze-b2",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0, get: 0.0004, head: 0.0004, list: 0.004, delete: 0 },
    storagePerGbMonth: 0.006,
    egressPerGb: 0.01,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
  {
    name: "gcs-standard",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0.005, get: 0.0004, head: 0.0004, list: 0.005, delete: 0 },
    storagePerGbMonth: 0.02,
    egressPerGb: 0.12,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
  {
    name: "azure-hot",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0.005, get: 0.0004, head: 0.0004, list: 0.005, delete: 0 },
    storagePerGbMonth: 0.018,
    egressPerGb: 0.087,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
  {
    name: "none",
    ...fromMemory,
    currency: "USD",
    per1000: { put: 0, get: 0, head: 0, list: 0, delete: 0 },
    storagePerGbMonth: 0,
    egressPerGb: 0,
    retrievalPerGb: 0,
    minimumDays: 0,
  },
];

/** The profile of this name. Throws, with code "usage", if there is none. */
export function profileNamed(name: string): PriceProfile {
  const found = priceProfiles.find((profile) => profile.name === name);
  if (found) return found;
  throw new ThinkbackError("usage", `--profile ${name} is not a price profile`, {
    hint: `give one of ${priceProfiles.map((profile) => profile.name).join(", ")}; or own numbers with --prices`,
  });
}

/** A profile of one's own, as YAML or JSON. Throws, with code "usage", naming the first field that does not fit. */
export function parseProfile(text: string, where: string): PriceProfile {
  const refuse = (what: string, cause?: unknown) =>
    new ThinkbackError("usage", `--prices ${where}: ${what}`, {
      hint: "docs/operations.md, What it costs, has a file to begin with",
      ...(cause === undefined ? {} : { cause }),
    });
  let given: unknown;
  try {
    given = parse(text);
  } catch (error) {
    throw refuse(messageOf(error).split("\n")[0]!, error);
  }
  const { success, output, issues } = v.safeParse(priceProfile, given, { abortEarly: true });
  if (success) return output;
  const [issue] = issues;
  const path = issue.path?.map(({ key }) => String(key)).join(".") ?? "it";
  if (issue.expected === "never") throw refuse(`${path} is not known`);
  throw refuse(
    issue.received === "undefined" ? `${path} is missing` : `${path} is not ${issue.message}`,
  );
}

/** True if requests cost anything: then an idle capture stores and asks less often. */
export function chargesRequests({ per1000 }: PriceProfile): boolean {
  return Object.values(per1000).some((one) => one > 0);
}
