/** What a month of capture and a restore cost, from how many requests and bytes they need. Pure arithmetic. */
import type { PriceProfile } from "./prices.js";

/** Requests by the kinds that stores charge differently. */
export type RequestCounts = Record<keyof PriceProfile["per1000"], number>;

const kinds = ["put", "get", "head", "list", "delete"] as const;
const gb = 1e9;
const monthDays = 30;

export function requestCost(requests: RequestCounts, { per1000 }: PriceProfile): number {
  return kinds.reduce((sum, kind) => sum + (requests[kind] * per1000[kind]) / 1000, 0);
}

/** What a source and its upkeep need. */
export interface Need {
  /** Requests of a day. */
  requestsPerDay: RequestCounts;
  /** Bytes that are stored at most at any time. */
  storedBytes: number;
  /** What is stored in a day and deleted one day: how many bytes, and after how many days. */
  deleted: { bytesPerDay: number; livesDays: number }[];
  /** Bytes that folds read in a day. */
  readBytesPerDay: number;
}

export interface MonthCost {
  requests: RequestCounts;
  requestCost: number;
  storageCost: number;
  /** What deleted objects cost beyond the time that they were there, by the store's minimum. */
  minimumCost: number;
  retrievalCost: number;
  total: number;
}

/** The cost of 30 days. Maintenance is taken to run at the provider, so that what it reads is no egress. */
export function costOfMonth(need: Need, profile: PriceProfile): MonthCost {
  const { storagePerGbMonth, retrievalPerGb, minimumDays } = profile;
  const requests = timesAll(need.requestsPerDay, monthDays);
  const cost = requestCost(requests, profile);
  const storageCost = (need.storedBytes / gb) * storagePerGbMonth;
  // What was deleted on any day is charged for until it would be as old as the minimum.
  const chargedBytes = need.deleted.reduce(
    (sum, { bytesPerDay, livesDays }) => sum + bytesPerDay * Math.max(0, minimumDays - livesDays),
    0,
  );
  const minimumCost = (chargedBytes / gb) * storagePerGbMonth;
  const retrievalCost = ((need.readBytesPerDay * monthDays) / gb) * retrievalPerGb;
  const total = cost + storageCost + minimumCost + retrievalCost;
  return { requests, requestCost: cost, storageCost, minimumCost, retrievalCost, total };
}

export interface RestoreCost {
  requests: RequestCounts;
  bytes: number;
  requestCost: number;
  /** Egress, if the restore runs outside of the provider's network, and retrieval. */
  bytesCost: number;
  total: number;
}

/** A part of an object is read with one request for each so many bytes, and its index with one more. */
const readBytes = 1024 * 1024;

/** @param objects how many objects are read, and `bytes` their stored sizes in all */
export function costOfRestore(
  { objects, bytes }: { objects: number; bytes: number },
  profile: PriceProfile,
): RestoreCost {
  const get = 2 * objects + Math.ceil(bytes / readBytes);
  // The repository is listed once.
  const requests = { put: 0, get, head: 0, list: 1 + Math.ceil(objects / 1000), delete: 0 };
  const cost = requestCost(requests, profile);
  const bytesCost = (bytes / gb) * (profile.egressPerGb + profile.retrievalPerGb);
  return { requests, bytes, requestCost: cost, bytesCost, total: cost + bytesCost };
}

function timesAll(requests: RequestCounts, times: number): RequestCounts {
  const entries = kinds.map((kind) => [kind, Math.round(requests[kind] * times)]);
  return Object.fromEntries(entries) as RequestCounts;
}
