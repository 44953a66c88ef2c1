/**
 * Checks the frames of keys of a sealed repository. A capture with a writer's key goes on with a table by them, so a
 * wrong one makes its next resync wrong, and nothing else would show it.
 */
import { damaged } from "../errors.js";
import type { FrameEntry } from "../format/data-kinds.js";
import type { DataObject } from "../format/data-object.js";
import { KeySums } from "../format/key-sums.js";
import { parseLine, type Version } from "../format/lines.js";
import { isSystemStream } from "../format/segment.js";
import type { Sealing } from "../storage/object-store.js";
import type { Findings } from "./findings.js";
import { framesOf } from "./frames.js";

/** How far the objects of a repository can be read: `sealing` of its store. */
export type Reading = Pick<Sealing, "readsDocuments"> | undefined;

const digestText = /^"[0-9a-f]{16}"$/;

/** The version in a line of a frame of keys, its document being a digest. Throws, naming `object`, if it is none. */
function parseDigestLine(lines: Buffer, start: number, end: number, object: string) {
  const version = parseLine(lines, start, end, object);
  const { document } = version;
  if (document === null || digestText.test(document.toString("latin1"))) return version;
  throw damaged(object, `line at byte ${start} is not a key and its digest`);
}

/** Compares the versions of one object with its frames of keys. */
export class KeysCheck {
  readonly readsDocuments: boolean;
  private readonly versions = new KeySums();

  constructor(
    private readonly object: DataObject,
    private readonly sealing: Reading,
  ) {
    this.readsDocuments = sealing?.readsDocuments ?? true;
  }

  /** The object's frames without those of keys, as far as they can be read. */
  get readableFrames(): readonly FrameEntry[] {
    const { frames } = this.object.index;
    return this.readsDocuments
      ? frames
      : frames.filter(({ table }) => table !== undefined && isSystemStream(table));
  }

  /** To be called for every version that was read, in their order. @param table undefined in a folded part */
  add(table: string | undefined, version: Version): void {
    if (!this.sealing || !this.readsDocuments || isSystemStream(table ?? "")) return;
    this.versions.addVersion(table ?? "", version);
  }

  /**
   * To be called when the frames that can be read were. What is wrong with the keys is added to `findings`.
   * @param check checks frames of keys like those of documents, if those cannot be read
   */
  async finish(
    check: (frames: readonly FrameEntry[]) => Promise<void>,
    findings: Findings,
  ): Promise<void> {
    const { object } = this;
    // In a repository that is not sealed there is nothing to compare.
    if (!this.sealing) return;
    await findings.ofKeys(async () => {
      this.checkRows();
      const found = new KeySums();
      for await (const { entry, lines } of framesOf(object, parseDigestLine, object.keyFrames)) {
        found.addLines(entry.table ?? "", lines);
      }
      if (!this.readsDocuments) return check(object.keyFrames);
      const table = this.versions.unlike(found);
      if (table !== undefined) throw this.wrong(table, "differ from those of its versions");
    });
  }

  /** By the index alone: as many keys as versions. */
  private checkRows(): void {
    const { index, keyFrames } = this.object;
    const missing = new Map<string, number>();
    const count = (table = "", rows: number) => {
      if (!isSystemStream(table)) missing.set(table, (missing.get(table) ?? 0) + rows);
    };
    for (const { table, rows } of index.frames) count(table, rows);
    for (const { table, rows } of keyFrames) count(table, -rows);
    for (const [table, rows] of missing) {
      if (rows !== 0) throw this.wrong(table, "are not as many as its versions");
    }
  }

  private wrong(table: string, how: string) {
    const of = table === "" ? "" : ` of table ${table}`;
    return damaged(
      this.object.name,
      `its keys and digests${of}, by which a writer goes on, ${how}; its documents are whole`,
    );
  }
}
