/**
 * Room kept aside on a disk. When the disk is full, the room is given up, so that a lease and an expiry can still be
 * written, by which more room is made. The room consists of files that are given up one by one: a capture that waits
 * for room may take what one file gave up, and then the next one is given up.
 */
import { randomBytes } from "node:crypto";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, ignoreMissing } from "./directories.js";
import { writeDurably } from "./write-durably.js";

/** The files' names begin with this. Names of objects cannot begin with a dot, so no listing shows these files. */
const reservePrefix = ".reserve-";

/** Large enough for an expiry, which has an entry for each table: about a hundred KiB for a thousand tables. */
const fileBytes = 128 * 1024;
const filesMax = 16;

export class Reserve {
  /** @param directory the store's directory; it may not exist yet */
  constructor(private readonly directory: string) {}

  /** Makes the files that are missing, as far as there is room. */
  async keep(signal?: AbortSignal): Promise<void> {
    const kept = new Set(await this.files());
    for (let i = 0; i < filesMax; i += 1) {
      signal?.throwIfAborted();
      const name = `${reservePrefix}${String(i).padStart(2, "0")}`;
      if (kept.has(name)) continue;
      const path = join(this.directory, name);
      try {
        // Random bytes, because a file system may compress others.
        await writeDurably(path, randomBytes(fileBytes));
      } catch (error) {
        const isFull = codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
        if (codeOf(error) !== "EEXIST") await unlink(path).catch(ignoreMissing);
        if (!isFull && codeOf(error) !== "EEXIST") throw error;
        if (isFull) return;
      }
    }
  }

  /** Deletes one of the files; returns false if none is left. */
  async giveUp(): Promise<boolean> {
    const last = (await this.files()).at(-1);
    if (last === undefined) return false;
    await unlink(join(this.directory, last)).catch(ignoreMissing);
    return true;
  }

  private async files(): Promise<string[]> {
    const names = (await readdir(this.directory).catch(ignoreMissing)) ?? [];
    return names.filter((name) => name.startsWith(reservePrefix)).sort();
  }
}
