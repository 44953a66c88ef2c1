/** Opens every data object that counts, and reads all of them, or a share of them, to their ends. */
import { DataObject } from "../format/data-object.js";
import { parseSegmentName, type SegmentName } from "../format/names.js";
import type { BasePart } from "../repository/bases/base.js";
import { isBelieved } from "../repository/log/claims.js";
import type { FoldedPart, FoldedRecords } from "../repository/log/folded.js";
import { openSegment, type Segment } from "../repository/log/log.js";
import { byPlaceInLog } from "../repository/log/places.js";
import { severalAtOnce } from "../several-at-once.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Belonging } from "./belonging.js";
import {
  checkBaseKeys,
  checkBasePart,
  checkFoldedPart,
  checkFoldedRecords,
  checkSegment,
} from "./data-checks.js";
import { Findings } from "./findings.js";
import type { LogLinks } from "./log-links.js";
import { isStoodFor, type Manifests, type Referred } from "./manifests.js";
import type { SmallObjects } from "./small-objects.js";

/** At most so many objects are read at once. */
const atOnce = 4;

export interface ObjectCheckOptions {
  /** Which share of the objects is read to the end: 0 for none, 1 for all. */
  share: number;
  /** Gives a number in [0, 1), to draw the share. */
  random: () => number;
  /** Names of the only objects to check; all that count if absent. */
  only?: { has(name: string): boolean };
  /** Called after each object that was checked, with what was read to its end so far. */
  onObject: (read: ReadShare) => void;
  signal?: AbortSignal | undefined;
}

export interface ReadShare {
  objects: number;
  bytes: number;
}

export class ObjectCheck {
  /** Objects that were read to their ends. */
  readonly read: ReadShare = { objects: 0, bytes: 0 };

  constructor(
    private readonly store: ListedStore,
    private readonly small: SmallObjects,
    private readonly manifests: Manifests,
    private readonly belonging: Belonging,
    private readonly findings: Findings,
    private readonly options: ObjectCheckOptions,
  ) {}

  /** @param links is told of each segment that can be opened */
  async checkSegments(links?: LogLinks): Promise<void> {
    const { expiry, claims } = this.small;
    const segments = this.store
      .names("log/")
      .map(parseSegmentName)
      .filter((segment) => segment !== undefined)
      .filter((segment) => segment.to > (expiry?.logTo ?? -1) && isBelieved(segment, claims))
      .filter(({ name }) => this.isWanted(name))
      .sort(byPlaceInLog);
    const opened = severalAtOnce(segments, atOnce, (segment) => this.checkOneSegment(segment));
    for await (const segment of opened) {
      this.options.signal?.throwIfAborted();
      if (!segment) continue;
      this.belonging.note(segment.name, segment.index.footer.repository);
      links?.next(segment);
    }
  }

  async checkReferred(): Promise<void> {
    const names = [...this.manifests.referred.keys()].sort();
    const there = names
      .filter((name) => this.store.has(name))
      .filter((name) => this.isWanted(name));
    for await (const _ of severalAtOnce(there, atOnce, (name) => this.checkOneReferred(name))) {
      this.options.signal?.throwIfAborted();
    }
  }

  private async checkOneSegment(parsed: SegmentName): Promise<Segment | undefined> {
    return this.checkOne(parsed.name, async (findings) => {
      const segment = await openSegment(this.store, parsed.name);
      if (this.isDrawn(segment)) await checkSegment(segment, this.store.sealing, findings);
      return segment;
    });
  }

  private async checkOneReferred(name: string): Promise<void> {
    const referred = this.manifests.referred.get(name)!;
    await this.checkOne(name, async (findings) => {
      const object = await DataObject.open(this.store, name, referred.kind, referred.checksum);
      // Keys of a base are read together with their part; by themselves if it cannot be read.
      const unread = this.readsDocuments ? "baseKeys" : "basePart";
      if (referred.kind === unread || !this.isDrawn(object)) return;
      if (referred.kind === "baseKeys") await checkBaseKeys(object);
      else await this.readToEnd(object, referred, findings);
    });
  }

  private async readToEnd(
    object: DataObject,
    { kind, table, part, by }: Referred,
    findings: Findings,
  ): Promise<void> {
    if (kind === "foldedPart") {
      const { manifest } = this.manifests.folded.get(by[0]!)!;
      const { sealing } = this.store;
      await checkFoldedPart(object, table!, part as FoldedPart, manifest!, sealing, findings);
    } else if (kind === "foldedRecords") {
      await checkFoldedRecords(object, part as FoldedRecords);
    } else {
      const basePart = part as BasePart;
      const { name, checksum } = basePart.keys;
      // If the keys cannot be opened, that is found when their own turn comes.
      const keys = await new Findings().during(() =>
        DataObject.open(this.store, name, "baseKeys", checksum),
      );
      if (keys) this.count(keys);
      await checkBasePart(object, keys, basePart, findings);
    }
  }

  private get readsDocuments(): boolean {
    return this.store.sealing?.readsDocuments ?? true;
  }

  private isWanted(name: string): boolean {
    return this.options.only?.has(name) ?? true;
  }

  /** Draws whether to read an object to its end, and counts it if so. */
  private isDrawn(object: DataObject): boolean {
    const { share, random } = this.options;
    const isDrawn = share >= 1 || (share > 0 && random() < share);
    if (isDrawn) this.count(object);
    return isDrawn;
  }

  private count({ storedSize }: DataObject): void {
    this.read.objects += 1;
    this.read.bytes += storedSize;
  }

  /** Keeps what `work` finds, unless the object was deleted meanwhile because others stand for it. */
  private async checkOne<T>(
    name: string,
    work: (findings: Findings) => Promise<T>,
  ): Promise<T | undefined> {
    const own = new Findings();
    const result = await own.during(() => work(own));
    this.options.onObject(this.read);
    if (own.count === 0) return result;
    const isReplaced = isStoodFor(name, this.manifests);
    if (isReplaced && (await this.store.isGone(name))) return undefined;
    this.findings.addAll(own);
    return result;
  }
}
