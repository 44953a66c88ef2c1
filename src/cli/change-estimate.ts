/** How long an operation on live tables will take, and what it will send to the repository's store and cost there. */
import { type RequestCounts, requestCost } from "../costs/estimate.js";
import type { PriceProfile } from "../costs/prices.js";
import type { Repository } from "../format/description.js";
import type { LiveReader } from "../recovery/differences.js";
import type { Extent } from "../recovery/operation.js";
import { lastWritePace, partBytesTarget } from "../repository/records/operations.js";
import { lookAt } from "../repository/repository-view.js";
import { type StoreUse, useSince } from "../storage/store-use.js";
import { formatBytes, formatCount } from "./output.js";

/** How long the reads of live documents have taken that a plan needs. */
export class ReadTimes implements LiveReader {
  private documentsRead = 0;
  private readMs = 0;

  constructor(private readonly below: LiveReader) {}

  readonly documents: LiveReader["documents"] = async (table, keys) => {
    const beganMs = performance.now();
    const documents = await this.below.documents(table, keys);
    this.readMs += performance.now() - beganMs;
    this.documentsRead += keys.length;
    return documents;
  };

  readonly scan: LiveReader["scan"] = (table, options) => this.below.scan(table, options);

  get secondsPerDocument(): number {
    return this.documentsRead === 0 ? 0 : this.readMs / 1000 / this.documentsRead;
  }
}

/**
 * A guarded write takes about so many times as long as a read of the same document, if it is made durable on a disk.
 * Measured on RethinkDB 2.4.4, where it was 8 to 40 times: the server waits for its disk. So it counts only as long as
 * no operation has told how long writes take.
 */
const writeFactor = 16;

export interface WriteTime {
  seconds: number;
  /** What it was estimated by: how long an earlier operation took for a document, or reads of these documents. */
  by: "an earlier operation" | "reads";
}

/** How long the writes to the server will take. */
export async function writeTime(
  { all: { documents } }: Extent,
  reads: ReadTimes,
  { store }: Repository,
): Promise<WriteTime> {
  const pace = await lastWritePace(store);
  if (pace !== undefined) return { seconds: documents * pace, by: "an earlier operation" };
  return { seconds: documents * reads.secondsPerDocument * writeFactor, by: "reads" };
}

export interface Estimate {
  tables: number;
  documents: number;
  /** Of the documents as they are and as they become. */
  bytes: number;
  seconds: number;
  /** What the part of it that the server takes was estimated by. */
  by: WriteTime["by"];
  /** Queries to the server, of up to 100 documents each. */
  writes: number;
  /** Requests to the store of the repository. */
  requests: RequestCounts;
  /** Bytes that are stored there, at most: they are compressed. As many are read back. */
  storedBytes: number;
  cost: { profile: string; asOf: string; currency: string; total: number } | null;
}

/** At most so many documents are written with one query. */
const documentsAtOnce = 100;
/** To pin the instant before an operation, the repository is looked at so often. */
const looksOfPin = 4;
const gb = 1e9;

/**
 * What carrying a plan out will take. One look at the repository is timed and counted; requests are taken to be as fast
 * as those of the look.
 */
export async function estimateOf(
  extent: Extent,
  reads: ReadTimes,
  repository: Repository,
  use: StoreUse,
  profile: PriceProfile | undefined,
): Promise<Estimate> {
  const before = { ...use };
  const beganMs = performance.now();
  await lookAt(repository, (view) => view.coverage());
  const lookMs = performance.now() - beganMs;
  const look = useSince(use, before);
  const requests = requestsOf(extent, look);
  const sent = look.gets + look.heads + look.lists;
  const perRequest = lookMs / 1000 / Math.max(1, sent);
  const store = (requests.put + requests.get + requests.head + requests.list) * perRequest;
  const { tables, all } = extent;
  const { documents, bytes: storedBytes } = all;
  const writing = await writeTime(extent, reads, repository);
  const seconds = documents === 0 ? 0 : store + writing.seconds;
  const writes = Math.ceil(documents / documentsAtOnce);
  const readBack = (profile && (storedBytes / gb) * bytePrice(profile)) ?? 0;
  const cost = profile
    ? {
        profile: profile.name,
        asOf: profile.asOf,
        currency: profile.currency,
        total: requestCost(requests, profile) + readBack,
      }
    : null;
  const taking = { seconds, by: writing.by, writes, requests, storedBytes, cost };
  return { tables, documents, bytes: storedBytes, ...taking };
}

const bytePrice = ({ egressPerGb, retrievalPerGb }: PriceProfile) => egressPerGb + retrievalPerGb;

/** Each table has a manifest, a record of its end, and at least one part. A part is opened and read. */
function requestsOf({ tables, all }: Extent, look: StoreUse): RequestCounts {
  const { documents, bytes } = all;
  if (documents === 0) return { put: 0, get: 0, head: 0, list: 0, delete: 0 };
  const parts = tables + Math.floor(bytes / partBytesTarget);
  return {
    put: parts + 2 * tables + 1,
    get: 2 * parts + looksOfPin * look.gets,
    head: looksOfPin * look.heads,
    list: 1 + looksOfPin * look.lists,
    delete: 0,
  };
}

export function estimateText(estimate: Estimate): string {
  const { cost } = estimate;
  const price = cost ? costText(cost) : "no price without --profile or --prices";
  return `${takingText(estimate)}; ${price}`;
}

export const costText = ({ total, currency, profile, asOf }: NonNullable<Estimate["cost"]>) =>
  `${total.toFixed(4)} ${currency} by ${profile} of ${asOf}`;

/** How long it takes, and what it sends, without what that costs. */
export function takingText({
  seconds,
  by,
  writes,
  requests: { put, get, head, list },
  storedBytes,
}: Pick<Estimate, "seconds" | "by" | "writes" | "requests" | "storedBytes">): string {
  return (
    `carrying it out: about ${seconds.toFixed(1)} s (by ${by}), ${formatCount(writes)} writes to the server; ` +
    `to the store ${formatCount(put)} PUT, ${formatCount(get)} GET, ${formatCount(head)} HEAD, ${formatCount(list)} LIST, ` +
    `up to ${formatBytes(storedBytes)} stored and read back`
  );
}
