/**
 * A store in a directory of a file system.
 *
 * Invariant: a name in the directory always holds a whole, durable object, and never changes. So an object is written
 * to a temporary file, which is synced and then linked to its name, and the directory is synced. (`link` refuses a name
 * that exists, while `rename` would overwrite it.) A name that is found taken is synced before that is told, because a
 * put whose sync failed is tried again. Break one of these steps and a power cut or a second writer can leave an object
 * that is torn, lost after it was acknowledged, or silently replaced.
 */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, open, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf } from "../errors.js";
import type { Instant } from "../instant.js";
import { codeOf, Directories, ignoreMissing, temporaryPrefix } from "./directories.js";
import { type Entry, entriesOf, refuseDeadLinks } from "./directory-entries.js";
import {
  checkName,
  failureOf,
  isName,
  type ListOptions,
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  StoreError,
  StoreForbidden,
  StoreFull,
  StoreUnavailable,
  StoreUnsupported,
  type Tail,
} from "./object-store.js";
import { Reserve } from "./reserve.js";
import { writeDurably } from "./write-durably.js";

/**
 * At most so many tries of a put: each fails if another process removes the directory, which is still empty, meanwhile.
 */
const putTriesMax = 20;

/** At most so many sizes are asked for at once by a listing. */
const sizesAtOnce = 64;

export class DirectoryStore implements ObjectStore {
  private readonly directories: Directories;
  private readonly reserve: Reserve;
  /** The paths that this process has linked, or was about to, and has not seen durable since. */
  private readonly unsynced = new Set<string>();

  /** @param location the directory; it is made at the first put if it does not exist */
  constructor(readonly location: string) {
    this.directories = new Directories(location);
    this.reserve = new Reserve(location);
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    const directory = dirname(join(this.location, name));
    for (let tries = 1; ; tries += 1) {
      try {
        signal?.throwIfAborted();
        await this.putNow(name, bytes, signal);
        return;
      } catch (error) {
        const explained = this.explain(error, name);
        if (!(explained instanceof ObjectMissing)) throw explained;
        // Another process has removed the directory, because it was empty until now.
        this.directories.forget(directory);
        if (tries < putTriesMax) continue;
        throw cannotMake(directory, error);
      }
    }
  }

  private async putNow(
    name: string,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const path = join(this.location, name);
    const directory = dirname(path);
    // The try before this one may have come as far as the name. What is there is not durable before it is synced, and a
    // disk that is full by now would not show that the name is taken.
    if (this.unsynced.has(path) && (await this.syncTaken(path))) throw new ObjectExists(name);
    await this.makeDirectory(directory);
    const temporary = join(directory, `${temporaryPrefix}${randomUUID()}`);
    try {
      await writeDurably(temporary, bytes);
      // A caller that has aborted may have overwritten the bytes meanwhile.
      signal?.throwIfAborted();
      this.unsynced.add(path);
      await link(temporary, path).catch(async (error: unknown) => {
        // Who finds the same bytes there takes them for durable.
        if (codeOf(error) === "EEXIST") await this.syncTaken(path);
        throw codeOf(error) === "EPERM" ? unsupported(directory, error) : error;
      });
    } finally {
      await unlink(temporary).catch(ignoreMissing);
    }
    await this.directories.sync(directory);
    this.unsynced.delete(path);
    this.directories.notePut(path);
  }

  /** Makes what is under a name durable, whoever put it. Returns false if there is nothing. */
  private async syncTaken(path: string): Promise<boolean> {
    const file = await open(path, constants.O_RDONLY).catch(ignoreMissing);
    try {
      await file?.sync();
    } finally {
      await file?.close();
    }
    if (file) await this.directories.sync(dirname(path));
    this.unsynced.delete(path);
    return file !== undefined;
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    const { bytes } = await this.read(name, signal, (size) => {
      const start = Math.min(range?.start ?? 0, size);
      return { start, end: Math.max(start, Math.min(range?.end ?? size, size)) };
    });
    return bytes;
  }

  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return this.read(name, signal, (size) => ({ start: Math.max(0, size - bytes), end: size }));
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    checkName(name);
    signal?.throwIfAborted();
    try {
      const found = await stat(join(this.location, name));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw this.explain(error, name);
    }
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<StoredObject> {
    const slash = prefix.lastIndexOf("/");
    yield* this.listDirectory(slash === -1 ? "" : prefix.slice(0, slash), prefix, options);
  }

  async firstMissing(names: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    for (const name of names) if ((await this.size(name, signal)) === undefined) return name;
    return undefined;
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.deleteMany([name], signal);
  }

  /** Each directory is removed if empty, and its parent synced, only once for all objects that are deleted from it. */
  async deleteMany(names: readonly string[], signal?: AbortSignal): Promise<void> {
    names.forEach(checkName);
    const left = new Set<string>();
    for (const name of names) {
      signal?.throwIfAborted();
      const path = join(this.location, name);
      try {
        await unlink(path);
      } catch (error) {
        const explained = this.explain(error, name);
        if (failureOf(explained) !== "missing") throw explained;
        if (codeOf(error) !== "ENOENT") continue;
      }
      this.directories.noteDeleted(path);
      // Also if it was gone already: a try before this one may have failed to sync.
      left.add(dirname(path));
    }
    for (const directory of left) await this.explaining(this.directories.removeEmpty(directory));
  }

  tidy(writtenBefore: Instant, signal?: AbortSignal): Promise<void> {
    return this.explaining(this.directories.tidy(writtenBefore, signal));
  }

  keepRoom(signal?: AbortSignal): Promise<void> {
    return this.explaining(this.reserve.keep(signal));
  }

  async putUrgently(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.put(name, bytes, signal);
        return;
      } catch (error) {
        if (!(error instanceof StoreFull) || !(await this.reserve.giveUp())) throw error;
      }
    }
  }

  /** Writes a new file, which then takes the name: a reader sees the old bytes or the new ones. */
  async replace(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const path = join(this.location, name);
    const temporary = join(dirname(path), `${temporaryPrefix}${randomUUID()}`);
    try {
      await this.makeDirectory(dirname(path));
      await writeDurably(temporary, bytes);
      signal?.throwIfAborted();
      await rename(temporary, path);
      await this.directories.sync(dirname(path));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw this.explain(error, name);
    }
  }

  async storedAt(name: string, signal?: AbortSignal): Promise<Instant | undefined> {
    checkName(name);
    signal?.throwIfAborted();
    try {
      const found = await stat(join(this.location, name));
      return found.isFile() ? Math.floor(found.mtimeMs) : undefined;
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw this.explain(error, name);
    }
  }

  /** @param rangeOf gives the range to read of an object of `size` bytes */
  private async read(
    name: string,
    signal: AbortSignal | undefined,
    rangeOf: (size: number) => Range,
  ): Promise<Tail> {
    checkName(name);
    signal?.throwIfAborted();
    try {
      const file = await open(join(this.location, name), constants.O_RDONLY);
      try {
        const { size } = await file.stat();
        const { start, end } = rangeOf(size);
        return { bytes: await readFully(file, start, end), size };
      } finally {
        await file.close();
      }
    } catch (error) {
      throw this.explain(error, name);
    }
  }

  private async *listDirectory(
    directory: string,
    prefix: string,
    options: ListOptions,
    way?: Entry["way"],
  ): AsyncIterable<StoredObject> {
    const { after = "", signal } = options;
    const entries = (await this.readEntries(directory, way)).filter(({ name, isDirectory }) =>
      isDirectory
        ? (name.startsWith(prefix) || prefix.startsWith(name)) &&
          (name > after || after.startsWith(name))
        : name.startsWith(prefix) && name > after,
    );
    const sizes = new Map<string, number | undefined>();
    for (const [i, { name, isDirectory, way: below }] of entries.entries()) {
      signal?.throwIfAborted();
      if (i % sizesAtOnce === 0) {
        const next = entries.slice(i, i + sizesAtOnce).filter((one) => !one.isDirectory);
        sizes.clear();
        await Promise.all(next.map(async (one) => sizes.set(one.name, await this.size(one.name))));
      }
      if (isDirectory) {
        yield* this.listDirectory(name.slice(0, -1), prefix, options, below);
      } else {
        const size = sizes.get(name);
        if (size !== undefined) yield { name, size };
      }
    }
  }

  /**
   * The names in a directory, sorted. Names of directories end with a slash, so that a walk through the tree is in the
   * order of whole names. Names that cannot be part of an object's name are left out: temporary files, lost+found,
   * foreign files.
   */
  private async readEntries(directory: string, way?: Entry["way"]): Promise<Entry[]> {
    const path = join(this.location, directory);
    const before = directory === "" ? "" : `${directory}/`;
    try {
      return (await entriesOf(path, way))
        .filter(({ name }) => isName(name))
        .map((entry) => {
          const name = `${before}${entry.name}${entry.isDirectory ? "/" : ""}`;
          return { ...entry, name };
        })
        .sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      const isMissing = codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR";
      if (!isMissing) throw this.explain(error, directory);
      await this.explaining(refuseDeadLinks(path, this.location));
      return [];
    }
  }

  private async makeDirectory(directory: string): Promise<void> {
    try {
      await this.directories.make(directory);
    } catch (error) {
      const inTheWay = codeOf(error) === "EEXIST" || codeOf(error) === "ENOTDIR";
      throw inTheWay ? notDirectory(directory, error) : error;
    }
  }

  private async explaining<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.explain(error, "");
    }
  }

  private explain(error: unknown, name: string): unknown {
    if (error instanceof StoreError) return error;
    const code = codeOf(error);
    switch (code) {
      case "EEXIST":
        return new ObjectExists(name);
      case "ENOENT":
      case "ENOTDIR":
      case "EISDIR":
        return new ObjectMissing(name);
      case "ENOSPC":
      case "EDQUOT":
        return new StoreFull(name, error, this.location);
      case "EACCES":
      case "EPERM":
      case "EROFS":
        return new StoreForbidden(join(this.location, name), error);
      case "ENOTSUP":
      case "EOPNOTSUPP":
      case "ENOSYS":
      case "EINVAL":
        return unsupported(join(this.location, name), error);
      case "ENAMETOOLONG":
      case "ELOOP":
        return new StoreUnsupported(
          `the system does not accept the path ${join(this.location, name)}: ${code}`,
          "give a shorter path, or one without symbolic links in a circle",
          error,
        );
      case undefined:
        return error;
      default:
        return new StoreUnavailable(`${this.location} fails: ${messageOf(error)}`, error);
    }
  }
}

function notDirectory(path: string, cause: unknown): StoreUnsupported {
  return new StoreUnsupported(
    `${path} is not a directory, or lies below something that is not a directory`,
    "give another directory, or move away the file in its place",
    cause,
  );
}

/** SMB, exFAT and many FUSE file systems have no hard links; some cannot sync directories. */
function unsupported(path: string, cause: unknown): StoreUnsupported {
  return new StoreUnsupported(
    `the file system of ${path} cannot do what a repository needs: ${messageOf(cause)}`,
    "use a file system with hard links that syncs directories, such as ext4, XFS, Btrfs, ZFS or NFS",
    cause,
  );
}

/** The error for a directory that does not exist after it was made, as happens below /proc. */
function cannotMake(path: string, cause: unknown): StoreUnsupported {
  return new StoreUnsupported(
    `${path} cannot be made, or is removed again and again`,
    "give a directory on a file system in which files can be made",
    cause,
  );
}

async function readFully(
  file: Awaited<ReturnType<typeof open>>,
  start: number,
  end: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
