/**
 * Checks the log that a capture writes, as it stands in the repository: whether it may be written to, and whether what
 * was shipped is still there. While a capture runs, an older copy may be put back, another disk may be mounted in the
 * place of the right one, or an object may be deleted.
 *
 * Invariant: nothing is put into a place that is known not to be this repository, nor behind a segment that is known to
 * be lost. Break it and a capture fills a stranger's directory, or goes on for days with a log that nobody can restore
 * from.
 */
import type { Clock } from "../clock.js";
import { isDamage, messageOf, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { decodeStored } from "../format/json-object.js";
import { parseSegmentName, repositoryName, type SegmentName, writerName } from "../format/names.js";
import type { LostEnd, OwnEpoch } from "../repository/log/claim-epoch.js";
import { claimKind, rebuiltUnique } from "../repository/log/claims.js";
import { isAccountedFor } from "../repository/log/log-view.js";
import { readDescription } from "../repository/repository.js";
import {
  getIfThere,
  type ObjectStore,
  putOnce,
  StoreForbidden,
  StoreUnavailable,
} from "../storage/object-store.js";

/**
 * How often to look whether another writer has taken over, and whether what was shipped since the last look is there.
 * No reader believes what is put after another writer's epoch claim that does not continue it. So a late look costs no
 * more than a few segments that are written in vain.
 */
const lookEveryMs = 15_000;

/** So many segments are listed: a bucket charges about twelve times as much for a listing as for a size. */
const listedMin = 9;

/** Another repository, or none, is where ours was. Ours may come back: its disk may not be mounted. */
export class NotThere extends StoreUnavailable {}

/** A segment that was shipped is gone, and nothing stands for it. */
export class LogLost extends ThinkbackError {
  constructor(readonly end: LostEnd) {
    super(
      "damaged",
      `object ${end.segment.name}, which this capture had stored, is not there any more`,
      {
        hint: "was an older copy of the repository put back, or an object deleted? Start the capture again: it goes on after what is there",
      },
    );
  }
}

export class OwnLog {
  private readonly store: ObjectStore;
  /** Names of the segments shipped since the last look, after the last one that was there then. */
  private shipped: string[] = [];
  private lookedMs: number;

  constructor(
    private readonly repository: Repository,
    private readonly own: OwnEpoch,
    private readonly clock: Clock,
    /** Since when nobody could take this process for gone; undefined if somebody may. */
    private readonly heldSinceMs: () => number | undefined = () => Number.NEGATIVE_INFINITY,
  ) {
    this.store = repository.store;
    if (own.last) this.shipped.push(own.last.name);
    this.lookedMs = clock.monotonicMs();
  }

  /** A segment was shipped. */
  note(name: string): void {
    this.shipped.push(name);
  }

  /**
   * Resolves if the next segment may be put; as a rule without a request. While lanes are shared, it looks after any
   * time in which others may have taken this process for gone: it stood still, or could not renew. Rejects with
   * NotThere while the repository is away, with LogLost if a shipped segment is lost, and with the code "fenced" if
   * another writer has taken over.
   * @param isInDoubt true to look now, because the store has just failed
   */
  async check(isInDoubt: boolean): Promise<void> {
    const now = this.clock.monotonicMs();
    const mayKnow = !isInDoubt && this.isHeld;
    if (mayKnow && now - this.lookedMs < lookEveryMs) return;
    const isFenced = (await this.store.size(writerName(this.own.epoch + 1))) !== undefined;
    const isWhole = (await this.hasClaim()) && (await this.firstMissing()) === undefined;
    if (!isWhole) await this.refuseOtherPlace();
    if (isFenced) throw await this.shutOut();
    if (!isWhole) await this.refuseLoss();
    this.shipped = this.shipped.slice(-1);
    this.lookedMs = now;
  }

  /** False if another process may have taken this one for gone, and taken over, since the last look. */
  private get isHeld(): boolean {
    const sinceMs = this.heldSinceMs();
    return sinceMs !== undefined && sinceMs <= this.lookedMs;
  }

  /** Another writer has taken over; or a reader has ended the log, because it distrusts the key, which it removes. */
  private async shutOut(): Promise<ThinkbackError> {
    try {
      await this.store.sealing?.renewKeys("going on with the log");
      return fenced();
    } catch (error) {
      if (!(error instanceof StoreForbidden)) throw error;
      // A capture with a spool would wait until the store forbids it no more.
      const { message, hint } = error;
      return new ThinkbackError("repository", `capture stopped: ${message}`, {
        ...(hint === undefined ? {} : { hint }),
        cause: error,
      });
    }
  }

  /** True if the epoch claim is there, as far as its size shows. Its content is read only if something is wrong. */
  private async hasClaim(): Promise<boolean> {
    const { epoch, storedBytes } = this.own;
    return (await this.store.size(writerName(epoch))) === storedBytes;
  }

  /**
   * The first shipped segment that is missing. As a rule this takes one small request: a listing of the last ten or
   * hundred seconds. A segment that the listing does not show is asked for by itself, and so are a few segments.
   */
  private async firstMissing(): Promise<string | undefined> {
    const { store, shipped } = this;
    if (store.firstMissing) return store.firstMissing(shipped);
    const listed = new Set<string>();
    if (shipped.length >= listedMin) {
      for await (const { name } of store.list(commonPrefix(shipped))) listed.add(name);
    }
    for (const name of shipped) {
      if (!listed.has(name) && (await store.size(name)) === undefined) return name;
    }
    return undefined;
  }

  private async refuseOtherPlace(): Promise<void> {
    const { store, description } = this.repository;
    if ((await store.size(repositoryName)) === undefined) {
      throw new NotThere(`there is no repository at ${store.location} any more`);
    }
    let id: string;
    try {
      ({ id } = await readDescription(store));
    } catch (error) {
      // The description may be on its way there.
      throw new NotThere(`the repository at ${store.location} cannot be read: ${messageOf(error)}`);
    }
    if (id !== description.id) {
      throw new NotThere(
        `${store.location} holds another repository, ${id}; ours is ${description.id}`,
      );
    }
  }

  /** Rejects if the log is lost. Asks for everything again, because the repository may have come back meanwhile. */
  private async refuseLoss(): Promise<void> {
    const { store } = this;
    const { epoch, object } = this.own;
    const claim = await getIfThere(store, writerName(epoch));
    if (claim && !claim.equals(object) && !isRebuilt(claim, writerName(epoch))) throw fenced();
    for (let missing = await this.firstMissing(); missing; missing = await this.firstMissing()) {
      if (!(await isKept(store, missing)))
        throw new LogLost({ segment: segmentOf(missing), epoch });
      this.shipped = this.shipped.filter((name) => name !== missing);
    }
    // Only the claim was deleted.
    if (!claim) await putOnce(store, writerName(epoch), object);
  }
}

/** False for a segment that is lost; also if epoch claims are lost, because they alone say what the log is. */
export async function isKept(store: ObjectStore, name: string): Promise<boolean> {
  try {
    return await isAccountedFor(store, name);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

function segmentOf(name: string): SegmentName {
  const segment = parseSegmentName(name);
  if (segment) return segment;
  throw new Error(`${name} is not the name of a segment`);
}

function commonPrefix(names: string[]): string {
  const [first = "", ...others] = names;
  let length = first.length;
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length -= 1;
  }
  return first.slice(0, length);
}

function fenced(): ThinkbackError {
  return new ThinkbackError(
    "fenced",
    "another writer has taken over this repository; capture stops",
    {
      hint: "that writer resyncs what this one did not store; run only one capture for a repository",
    },
  );
}

/** True if a repair has rebuilt the claim that was lost: it is of our own epoch. */
function isRebuilt(claim: Buffer, name: string): boolean {
  return decodeStored(claim, name, claimKind).unique === rebuiltUnique;
}
