/**
 * Delivers to the repository the ticks that its copies alone have: an earlier process put them there while the
 * repository was away, and ended before it was back.
 *
 * Invariant: what is delivered goes on where the log of the newest epoch ends, tick after tick, is of the writer whose
 * claim the repository has, and tells of no base that the repository lacks. Break it and the log has what its writer
 * has not captured, or a hole. If another process claims an epoch meanwhile, its claim does not continue what comes
 * later, and shuts it out, as it does with what any writer puts late.
 */
import { type Clock, withTimeout } from "../clock.js";
import { coverageRecord } from "../format/coverage-record.js";
import type { Repository } from "../format/description.js";
import { checked } from "../format/fields.js";
import { parseStored } from "../format/lines.js";
import {
  parseManifestName,
  parseSegmentName,
  repositoryName,
  segmentPrefix,
  writerName,
} from "../format/names.js";
import type { ObjectReference } from "../format/segment.js";
import { readLeft } from "../repository/log/left-segment.js";
import { type Segment, segmentVersions } from "../repository/log/log.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import {
  getIfThere,
  type ObjectStore,
  putOnce,
  StoreUnavailable,
} from "../storage/object-store.js";

/** How long a copy is waited for when a capture begins. */
const answerMsMax = 10_000;

export interface LeftObserver {
  /** Ticks that this copy alone had are in the repository now. */
  gives(segments: number): void;
  /** This copy cannot be asked whether it has ticks that the repository lacks. */
  mayHaveMore(error: unknown): void;
  /** This copy has a tick that the repository lacks, and that was not delivered. `what` says why. */
  keeps(segment: string, what: string): void;
}

export interface LeftCopy {
  /** Gives bytes as they are stored. */
  store: ObjectStore;
  observer: LeftObserver;
  /** There was no copy when the capture began: what is there now may be a new one, in the place of its disk. */
  wasAbsent?: boolean;
}

/** Where the log ends at the repository, and what comes next. */
interface End {
  epoch: number;
  /** The number of the next segment. */
  sequence: number;
  /** What the next segment continues. */
  previous: ObjectReference | null;
}

/** Runs before an epoch is claimed, so that the new epoch continues what is delivered. */
export async function deliverLeft(
  repository: Repository,
  copies: readonly LeftCopy[],
  clock: Clock,
): Promise<void> {
  const end = await openEnd(repository.store);
  if (!end) return;
  const target = repository.store.sealing?.below ?? repository.store;
  const listed: { copy: LeftCopy; names: Map<number, string> }[] = [];
  for (const copy of copies) {
    const names = await inTime(clock, copy, () => namesLeft(target, copy.store, end));
    if (names) listed.push({ copy, names });
    if (names?.size === 0 && copy.wasAbsent) {
      const { location } = copy.store;
      copy.observer.mayHaveMore(new Error(`there was no copy at ${location} at the start`));
    }
  }
  const given = new Map<LeftCopy, number>();
  const next = async () => {
    for (const { copy, names } of listed) {
      const name = names.get(end.sequence);
      if (name === undefined) continue;
      const read = () => readNext(repository, copy.store, name, end);
      const found = await inTime(clock, copy, read);
      if (typeof found === "string") copy.observer.keeps(name, found);
      if (found && typeof found !== "string") return { copy, ...found };
    }
    return undefined;
  };
  try {
    for (let found = await next(); found; found = await next()) {
      const { copy, segment, bytes } = found;
      await putOnce(target, segment.name, bytes);
      given.set(copy, (given.get(copy) ?? 0) + 1);
      end.sequence += 1;
      end.previous = { name: segment.name, checksum: segment.checksum };
    }
  } finally {
    for (const [{ observer }, segments] of given) observer.gives(segments);
  }
}

/** Undefined if there is no log yet, or its writer has closed it: then nothing can come after its end. */
async function openEnd(store: ObjectStore): Promise<End | undefined> {
  const view = await LogView.read(store);
  const claim = view.claims.at(-1);
  if (!claim) return undefined;
  const last = await endOfLog(view);
  const own = last?.epoch === claim.epoch ? last : undefined;
  if (own?.closed) return undefined;
  return {
    epoch: claim.epoch,
    sequence: own ? parseSegmentName(own.name)!.sequence + 1 : 1,
    previous: last ? { name: last.name, checksum: last.checksum } : null,
  };
}

/** What a copy says; undefined, after the observer was told, if it does not answer. */
async function inTime<T>(
  clock: Clock,
  { store, observer }: LeftCopy,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  const silent = () => new StoreUnavailable(`${store.location} does not answer`);
  try {
    return await withTimeout(clock, answerMsMax, ask(), silent);
  } catch (error) {
    observer.mayHaveMore(error);
    return undefined;
  }
}

/** Names of the segments that a copy has after the end of the log, by their numbers. */
async function namesLeft(
  repository: ObjectStore,
  copy: ObjectStore,
  { epoch, sequence, previous }: End,
): Promise<Map<number, string>> {
  const claim = writerName(epoch);
  const [ours, theirs] = [await getIfThere(repository, claim), await getIfThere(copy, claim)];
  // A disk may not be mounted.
  if (!theirs && (await copy.size(repositoryName)) === undefined)
    throw new StoreUnavailable(`there is no copy at ${copy.location}`);
  const names = new Map<number, string>();
  // Without the claim it has no tick of the epoch; with another one its ticks have nothing to do with this log.
  if (!theirs || !ours?.equals(theirs)) return names;
  const isOfEpoch = sequence > 1 && previous;
  const options = isOfEpoch ? { after: previous.name } : {};
  for await (const { name } of copy.list(segmentPrefix(epoch), options)) {
    const segment = parseSegmentName(name);
    if (segment && segment.sequence >= sequence) names.set(segment.sequence, name);
  }
  return names;
}

/** The segment that goes on where the log ends; or why it does not. */
async function readNext(
  repository: Repository,
  copy: ObjectStore,
  name: string,
  { previous }: End,
): Promise<{ segment: Segment; bytes: Buffer } | string> {
  const bytes = await copy.get(name);
  const segment = await readLeft(repository, name, bytes);
  if (typeof segment === "string") return segment;
  const continued = segment.index.footer.previous;
  if (continued?.name !== previous?.name || continued?.checksum !== previous?.checksum) {
    return "it does not go on where the log of the repository ends";
  }
  const lacking = await lackingBase(repository.store, copy, segment);
  return lacking === undefined
    ? { segment, bytes }
    : `the repository lacks ${lacking}, which it relies on: an older state of it was put back`;
}

/**
 * A base that a segment may rely on, and that only the copy has. Bases are put at the repository first, so one that is
 * newer there than all that it has was lost.
 */
async function lackingBase(
  repository: ObjectStore,
  copy: ObjectStore,
  segment: Segment,
): Promise<string | undefined> {
  for await (const { key, document } of segmentVersions(segment, "coverage")) {
    if (!document) continue;
    const { state } = checked(coverageRecord, parseStored(document, segment.name), segment.name);
    if (state !== "live") continue;
    const table = parseStored(key, segment.name) as string;
    const theirs = await newestBase(copy, table);
    const ours = await newestBase(repository, table);
    if (theirs && theirs.instant > (ours?.instant ?? -1)) return theirs.name;
  }
  return undefined;
}

async function newestBase(store: ObjectStore, table: string) {
  let newest: ReturnType<typeof parseManifestName>;
  for await (const { name } of store.list(`bases/${table}/`)) {
    const base = parseManifestName(name);
    if (base && base.instant >= (newest?.instant ?? 0)) newest = base;
  }
  return newest;
}
