/**
 * A store in a container of Azure Blob Storage.
 *
 * Invariant: an object is created only by one request that demands that nothing has its name (`If-None-Match: *`).
 * Break it and a second writer replaces an object.
 */
import { createHash, getFips } from "node:crypto";
import type { ContainerClient } from "@azure/storage-blob";
import { untilAborted } from "../../abort.js";
import { type Asked, BucketUnavailable, outOfOrder } from "../bucket-failures.js";
import { deleteEach } from "../delete-each.js";
import {
  checkName,
  failureOf,
  isName,
  type ListOptions,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  type Tail,
} from "../object-store.js";
import { heard } from "../progress.js";
import { containerClient } from "./azure-client.js";
import { failureOfClient } from "./azure-failures.js";
import { type AzurePlace, readAzureLocation } from "./azure-location.js";

/** The most objects that the service lists with one request. */
const pageObjectsMax = 5000;

export class AzureStore implements ObjectStore {
  readonly location: string;
  readonly chargesRequests = true;
  /** An emulator, or a service that speaks as Microsoft's does, may accept the condition of a put and ignore it. */
  readonly mayOverwrite: boolean;
  onMoreRequests: ObjectStore["onMoreRequests"] = undefined;
  private client: Promise<ContainerClient> | undefined;

  /** @param pageObjects at most so many objects are listed with one request */
  constructor(
    private readonly place: AzurePlace,
    private readonly pageObjects = pageObjectsMax,
  ) {
    this.location = place.location;
    this.mayOverwrite = !place.isMicrosofts;
  }

  /** Throws, with code "usage", if the location or the credentials are not of the form that docs/stores.md gives. */
  static at(location: string): AzureStore {
    return new AzureStore(readAzureLocation(location, process.env));
  }

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.store(name, bytes, { ifNoneMatch: "*" }, signal);
  }

  replace(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.store(name, bytes, {}, signal);
  }

  private async store(
    name: string,
    bytes: Uint8Array,
    conditions: { ifNoneMatch?: "*" },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const { prefix, tier } = this.place;
    // A copy: after the caller has left, its buffer may be overwritten while it is being sent.
    const body = Buffer.from(bytes);
    const isHashable = getFips() === 0;
    await this.asking({ to: "put", name }, signal, (client) =>
      client.getBlockBlobClient(prefix + name).upload(body, body.length, {
        conditions,
        blobHTTPHeaders: {
          blobContentType: "application/octet-stream",
          blobCacheControl: "no-store",
        },
        ...(isHashable ? { transactionalContentMD5: createHash("md5").update(body).digest() } : {}),
        ...(tier ? { tier } : {}),
        ...aborting(signal),
      }),
    );
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    checkName(name);
    if (!range) return (await this.read(name, 0, undefined, signal))?.bytes ?? Buffer.alloc(0);
    const { start, end } = range;
    if (end > start) {
      return (await this.read(name, start, end - start, signal))?.bytes ?? Buffer.alloc(0);
    }
    await this.sizeOrMissing(name, signal);
    return Buffer.alloc(0);
  }

  /**
   * The service gives no range that is counted from the end. So the first `bytes` bytes are asked for, which are all of
   * a small object; of a larger one they tell the size, and a second request gives its end.
   */
  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    checkName(name);
    const empty = Buffer.alloc(0);
    if (bytes === 0) return { bytes: empty, size: await this.sizeOrMissing(name, signal) };
    const first = await this.read(name, 0, bytes, signal);
    if (!first) return { bytes: empty, size: 0 };
    if (first.size <= bytes) return first;
    this.onMoreRequests?.({ gets: 1 });
    const last = await this.read(name, first.size - bytes, bytes, signal);
    if (last?.size === first.size) return last;
    throw this.unavailable(`object ${name} changed while it was read`);
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    checkName(name);
    try {
      const found = await this.asking({ to: "read", name }, signal, (client) =>
        client.getBlobClient(this.place.prefix + name).getProperties(aborting(signal)),
      );
      if (found.contentLength !== undefined) return found.contentLength;
    } catch (error) {
      if (failureOf(error) === "missing") return undefined;
      throw error;
    }
    throw this.unavailable(`it gives no size of object ${name}`);
  }

  /** A listing that begins after a name costs as much as one of the whole prefix: the service skips nothing. */
  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<StoredObject> {
    const { after = "", signal } = options;
    const base = this.place.prefix;
    const client = await this.asking({ to: "list" }, signal, (one) => Promise.resolve(one));
    const pages = client
      .listBlobsFlat({ prefix: base + prefix, ...aborting(signal) })
      .byPage({ maxPageSize: this.pageObjects });
    let last = "";
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst) this.onMoreRequests?.({ lists: 1 });
      const { value: page, done } = await this.asking({ to: "list" }, signal, () => pages.next());
      if (done === true) return;
      for (const { name: whole, properties } of page.segment.blobItems) {
        const name = whole.slice(base.length);
        if (!isName(name)) continue;
        if (name <= last) throw outOfOrder(this.location);
        last = name;
        const size = properties.contentLength;
        if (size === undefined) throw this.unavailable(`it gives no size of object ${name}`);
        if (name > after) yield { name, size };
        signal?.throwIfAborted();
      }
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name);
    try {
      await this.asking({ to: "delete", name }, signal, (client) =>
        client.getBlobClient(this.place.prefix + name).delete(aborting(signal)),
      );
    } catch (error) {
      if (failureOf(error) !== "missing") throw error;
    }
  }

  async deleteMany(names: readonly string[], signal?: AbortSignal): Promise<void> {
    names.forEach(checkName);
    this.onMoreRequests?.({ deletes: names.length - 1 });
    await deleteEach(names, (name) => this.delete(name, signal));
  }

  /**
   * Bytes of an object, and its size. Undefined if it has no byte at `offset` or behind.
   * @param count at most so many bytes; all that follow if absent
   */
  private async read(
    name: string,
    offset: number,
    count: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Tail | undefined> {
    const isWhole = offset === 0 && count === undefined;
    return this.asking({ to: "read", name }, signal, async (client) => {
      try {
        const blob = client.getBlobClient(this.place.prefix + name);
        const options = { maxRetryRequests: 0, ...aborting(signal) };
        const found = await blob.download(offset, count, options);
        const chunks: Buffer[] = [];
        for await (const chunk of found.readableStreamBody!) {
          heard(signal);
          chunks.push(chunk as Buffer);
        }
        const bytes = Buffer.concat(chunks);
        // Azurite gives an empty range behind the end of an object, and says that it ends before it begins.
        const range = /^bytes (\d+)-(?:-1|\d+)\/(\d+)$/.exec(found.contentRange ?? "");
        const size = isWhole ? found.contentLength : range ? Number(range[2]) : undefined;
        if (size === undefined || (range && Number(range[1]) !== offset)) {
          throw this.unavailable(`it does not say which bytes of object ${name} it gives`);
        }
        const wanted = Math.max(0, Math.min(count ?? size, size - offset));
        if (bytes.length !== wanted) {
          throw this.unavailable(`it gives ${bytes.length} of ${wanted} bytes of object ${name}`);
        }
        return { bytes, size };
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 416) return undefined;
        throw error;
      }
    });
  }

  private async sizeOrMissing(name: string, signal: AbortSignal | undefined): Promise<number> {
    const size = await this.size(name, signal);
    if (size === undefined) throw new ObjectMissing(name);
    return size;
  }

  /** What `work` gives. Rejects with a StoreError if it fails, and as soon as the signal aborts. */
  private async asking<T>(
    asked: Asked,
    signal: AbortSignal | undefined,
    work: (client: ContainerClient) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted();
    try {
      return await untilAborted(this.withClient(work, signal), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw failureOfClient(error, asked, this.place);
    }
  }

  private async withClient<T>(
    work: (client: ContainerClient) => Promise<T>,
    signal: AbortSignal | undefined,
    isSecond = false,
  ): Promise<T> {
    this.client ??= containerClient(this.place);
    const known = this.client;
    const client = await known.catch((error: unknown) => {
      this.client = undefined;
      throw error;
    });
    signal?.throwIfAborted();
    try {
      return await work(client);
    } catch (error) {
      const isRefused = (error as { statusCode?: number } | null)?.statusCode === 401;
      if (!isRefused || isSecond || this.place.credential.kind !== "identity") throw error;
      // What proves who this is may have been exchanged: it is looked for anew, once.
      if (this.client === known) this.client = undefined;
      return this.withClient(work, signal, true);
    }
  }

  private unavailable(what: string): BucketUnavailable {
    return new BucketUnavailable(this.location, what);
  }
}

function aborting(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
