/**
 * Room kept aside on a disk. When the disk is full, it is given up so that a lease and an expiry, which make room, can still
 * be written. It is kept by files that are given up one by one, because a capture that waits for room may take what
 * is given up before who gave it up.
 */
import { randomBytes } from "node:crypto";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf, ignoreMissing } from "./directories.js";
import { writeDurably } from "./write-durably.js";

/** Names of objects cannot begin with a dot, so no listing of objects shows these. */
const reservePrefix = ".reserve-";

/** An expiry says something of each table: with a thousand tables it has some hundred KiB. */
const fileBytes = 128 * 1024;
const filesMax = 16;

export class Reserve {
  /** @param directory of the store; it may not be there yet */
  constructor(private readonly directory: string) {}

  /** Makes what is missing, as far as there is room. */
  async keep(signal?: AbortSignal): Promise<void> {
    const kept = new Set(await this.files());
    for (let i = 0; i < filesMax; i += 1) {
      signal?.throwIfAborted();
      const name = `${reservePrefix}${String(i).padStart(2, "0")}`;
      if (kept.has(name)) continue;
      const path = join(this.directory, name);
      try {
        // Random, because a file system may compress.
        await writeDurably(path, randomBytes(fileBytes));
      } catch (error) {
        const isFull = codeOf(error) === "ENOSPC" || codeOf(error) === "EDQUOT";
        if (codeOf(error) !== "EEXIST") await unlink(path).catch(ignoreMissing);
        if (!isFull && codeOf(error) !== "EEXIST") throw error;
        if (isFull) return;
      }
    }
  }

  /** Gives up some of it; false if nothing is left. */
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
