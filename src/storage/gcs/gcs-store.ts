/**
 * A store in a bucket of Google Cloud Storage.
 *
 * Invariant: an object is created only by a request that demands that no generation of it exists (`ifGenerationMatch`
 * 0), with the checksum of its bytes, which the service compares before the object appears. Break it and a second
 * writer replaces an object, or damaged bytes become one.
 */
import { randomUUID } from "node:crypto";
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
import { crc32cBase64 } from "./crc32c.js";
import { failureIn } from "./gcs-failures.js";
import { type GcsPlace, readGcsLocation } from "./gcs-location.js";
import { type GcsReply, GcsRequests } from "./gcs-requests.js";

/** The most objects that the service lists with one request. */
const pageObjects = 1000;

export class GcsStore implements ObjectStore {
  readonly location: string;
  readonly chargesRequests = true;
  /** An emulator may accept the condition of a put and ignore it. */
  readonly mayOverwrite: boolean;
  onMoreRequests: ObjectStore["onMoreRequests"] = undefined;
  private readonly requests: GcsRequests;

  constructor(private readonly place: GcsPlace) {
    this.location = place.location;
    this.mayOverwrite = !/^https:\/\/([a-z0-9-]+\.)*googleapis\.com(:443)?$/i.test(place.endpoint);
    this.requests = new GcsRequests(place);
  }

  /** Throws, with code "usage", if the location is not of the form that docs/stores.md gives. */
  static at(location: string): GcsStore {
    return new GcsStore(readGcsLocation(location));
  }

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.store(name, bytes, { ifGenerationMatch: "0" }, signal);
  }

  replace(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.store(name, bytes, {}, signal);
  }

  private async store(
    name: string,
    bytes: Uint8Array,
    condition: { ifGenerationMatch?: "0" },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const { bucket, prefix, storageClass } = this.place;
    const crc32c = crc32cBase64(bytes);
    const metadata = {
      name: prefix + name,
      crc32c,
      contentType: "application/octet-stream",
      // In a public bucket, an object that was deleted would otherwise be read from a cache for an hour.
      cacheControl: "no-store",
      ...(storageClass ? { storageClass } : {}),
    };
    const { type, body } = multipart(metadata, bytes);
    const reply = await this.requests.send(
      {
        method: "POST",
        path: `/upload/storage/v1/b/${bucket}/o`,
        query: { uploadType: "multipart", ...condition, fields: "name,size,crc32c" },
        headers: { "content-type": type },
        body,
      },
      signal,
    );
    if (reply.status !== 200) throw failureIn(reply, { to: "put", name }, this.place);
    const stored = this.json(reply) as { name?: unknown; size?: unknown; crc32c?: unknown };
    const isOurs =
      stored.name === metadata.name &&
      stored.size === String(bytes.length) &&
      stored.crc32c === crc32c;
    if (!isOurs) throw this.unavailable(`it does not confirm object ${name} as it was sent`);
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    checkName(name);
    if (!range) return this.getWhole(name, signal);
    const { start, end } = range;
    if (end <= start) {
      await this.sizeOrMissing(name, signal);
      return Buffer.alloc(0);
    }
    return (await this.getPart(name, `${start}-${end - 1}`, signal))?.bytes ?? Buffer.alloc(0);
  }

  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    checkName(name);
    const part = bytes > 0 ? await this.getPart(name, `-${bytes}`, signal) : undefined;
    // An empty object has no last byte, and so no range of it can be given.
    return part ?? { bytes: Buffer.alloc(0), size: await this.sizeOrMissing(name, signal) };
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    checkName(name);
    const reply = await this.send({ to: "read", name }, { fields: "size" }, {}, signal);
    if (!reply) return undefined;
    const size = Number((this.json(reply) as { size?: unknown }).size);
    if (!Number.isSafeInteger(size)) throw this.unavailable(`it gives no size of object ${name}`);
    return size;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<StoredObject> {
    const { after, signal } = options;
    const { bucket, prefix: base } = this.place;
    let last = "";
    for (let pageToken = ""; ; ) {
      if (pageToken !== "") this.onMoreRequests?.({ lists: 1 });
      const query = {
        prefix: base + prefix,
        maxResults: String(pageObjects),
        fields: "items(name,size),nextPageToken",
        // The service begins with this name itself.
        ...(after === undefined ? {} : { startOffset: base + after }),
        ...(pageToken === "" ? {} : { pageToken }),
      };
      const path = `/storage/v1/b/${bucket}/o`;
      const reply = await this.requests.send({ method: "GET", path, query }, signal);
      if (reply.status !== 200) throw failureIn(reply, { to: "list" }, this.place);
      const page = this.page(reply);
      for (const { name: whole, size } of page.items) {
        const name = whole.slice(base.length);
        if (!isName(name)) continue;
        if (name <= last) throw outOfOrder(this.location);
        last = name;
        if (after === undefined || name > after) yield { name, size };
        signal?.throwIfAborted();
      }
      if (page.nextPageToken === "") return;
      pageToken = page.nextPageToken;
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name);
    const request = { method: "DELETE" as const, path: this.pathOf(name) };
    const reply = await this.requests.send(request, signal);
    if (reply.status === 204 || reply.status === 200) return;
    const failure = failureIn(reply, { to: "delete", name }, this.place);
    if (failureOf(failure) !== "missing") throw failure;
  }

  async deleteMany(names: readonly string[], signal?: AbortSignal): Promise<void> {
    names.forEach(checkName);
    this.onMoreRequests?.({ deletes: names.length - 1 });
    await deleteEach(names, (name) => this.delete(name, signal));
  }

  private async getWhole(name: string, signal: AbortSignal | undefined): Promise<Buffer> {
    return this.whole(name, await this.media(name, {}, signal));
  }

  /** The bytes of a range, and the size of the object; undefined if the range begins behind the last byte. */
  private async getPart(
    name: string,
    range: string,
    signal: AbortSignal | undefined,
  ): Promise<Tail | undefined> {
    const reply = await this.media(name, { range: `bytes=${range}` }, signal);
    if (reply.status === 416) return undefined;
    const [from = "", to = ""] = range.split("-");
    const wantedIn = (size: number) => ({
      start: from === "" ? Math.max(0, size - Number(to)) : Number(from),
      end: from === "" ? size : Math.min(size, Number(to) + 1),
    });
    if (reply.status === 200) {
      const bytes = this.whole(name, reply);
      const { start, end } = wantedIn(bytes.length);
      return { bytes: bytes.subarray(start, end), size: bytes.length };
    }
    const found = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(reply.headers["content-range"] ?? "");
    const [first, last, size] = (found ?? []).slice(1).map(Number);
    if (first === undefined || last === undefined || size === undefined) {
      throw this.unavailable(`it does not say which bytes of object ${name} it gives`);
    }
    const { start, end } = wantedIn(size);
    if (first !== start || last + 1 !== end || reply.body.length !== end - start) {
      throw this.short(name, end - start, reply.body.length);
    }
    return { bytes: reply.body, size };
  }

  private whole(name: string, { body, headers }: GcsReply): Buffer {
    const length = lengthIn(headers["x-goog-stored-content-length"] ?? headers["content-length"]);
    if (length !== body.length) throw this.short(name, length, body.length);
    return body;
  }

  /** A reply with bytes of an object, or with status 416. */
  private async media(
    name: string,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<GcsReply> {
    const reply = await this.send({ to: "read", name }, { alt: "media" }, headers, signal);
    if (!reply) throw new ObjectMissing(name);
    return reply;
  }

  /** A reply about an object, undefined if there is none. */
  private async send(
    asked: Asked & { name: string },
    query: Record<string, string>,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<GcsReply | undefined> {
    const path = this.pathOf(asked.name);
    const reply = await this.requests.send({ method: "GET", path, query, headers }, signal);
    const isRange = headers["range"] !== undefined && [206, 416].includes(reply.status);
    if (reply.status === 200 || isRange) return reply;
    const failure = failureIn(reply, asked, this.place);
    if (failureOf(failure) === "missing") return undefined;
    throw failure;
  }

  private async sizeOrMissing(name: string, signal: AbortSignal | undefined): Promise<number> {
    const size = await this.size(name, signal);
    if (size === undefined) throw new ObjectMissing(name);
    return size;
  }

  private pathOf(name: string): string {
    const { bucket, prefix } = this.place;
    return `/storage/v1/b/${bucket}/o/${encodeURIComponent(prefix + name)}`;
  }

  private page(reply: GcsReply): { items: StoredObject[]; nextPageToken: string } {
    const { items = [], nextPageToken = "" } = this.json(reply) as {
      items?: { name: string; size: string }[];
      nextPageToken?: string;
    };
    const isPage = Array.isArray(items) && items.every(({ name }) => typeof name === "string");
    if (!isPage || typeof nextPageToken !== "string") throw this.unavailable("it gives no listing");
    return { items: items.map(({ name, size }) => ({ name, size: Number(size) })), nextPageToken };
  }

  private json(reply: GcsReply): object {
    try {
      const value: unknown = JSON.parse(reply.body.toString("utf8"));
      if (typeof value === "object" && value !== null) return value;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw this.unavailable("it answers something that is not JSON");
  }

  private short(name: string, wanted: number | undefined, found: number): BucketUnavailable {
    const of = wanted === undefined ? "an unknown number" : String(wanted);
    return this.unavailable(`it gives ${found} of ${of} bytes of object ${name}`);
  }

  private unavailable(what: string): BucketUnavailable {
    return new BucketUnavailable(this.location, what);
  }
}

function lengthIn(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** A body of two parts: what is to be known of an object, and a copy of its bytes. */
function multipart(metadata: object, bytes: Uint8Array): { type: string; body: Buffer } {
  const boundary = randomUUID();
  const head =
    `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n` +
    `${JSON.stringify(metadata)}\r\n` +
    `--${boundary}\r\ncontent-type: application/octet-stream\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)]);
  return { type: `multipart/related; boundary=${boundary}`, body };
}
