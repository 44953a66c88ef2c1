/**
 * Requests to one bucket: what S3Store and S3PastStore have in common.
 *
 * Invariant: bytes are given out only if they are all that the server said there are. A body that ends early is found
 * by its length, because a connection may end in order within an object.
 */
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3";
import {
  failureOf,
  ObjectMissing,
  type Range,
  StoreUnavailable,
  type Tail,
} from "../object-store.js";
import { heard } from "../progress.js";
import { loadSdk, makeClient, type Sdk } from "./client.js";
import { type Asked, answerOf, failureFrom, wantsOtherCredentials } from "./failures.js";
import type { S3Location } from "./location.js";
import { Places } from "./places.js";

/** A version of an object; the current one if no id is given. */
export interface Version {
  VersionId?: string;
}

/** What the stores at one location share: connections, credentials, and the number of requests at once. */
class Connection {
  readonly requests: Places;
  readonly puts: Places;
  /** True once the bucket has answered something that only a bucket answers. */
  isBucketSeen = false;
  private made: Promise<{ sdk: Sdk; client: S3Client }> | undefined;
  private last: S3Client | undefined;

  constructor(private readonly location: S3Location) {
    this.requests = new Places(location.provider.requestsAtOnce);
    this.puts = new Places(location.provider.putsAtOnce);
  }

  /** Credentials that were refused may have been exchanged: a new client finds them anew. */
  drop(client: S3Client): void {
    if (this.last === client) this.made = undefined;
  }

  open(): Promise<{ sdk: Sdk; client: S3Client }> {
    this.made ??= this.make().catch((error: unknown) => {
      this.made = undefined;
      throw error;
    });
    return this.made;
  }

  private async make() {
    const sdk = await loadSdk();
    this.last = await makeClient(sdk, this.location);
    return { sdk, client: this.last };
  }
}

/** At most so many connections are remembered; a process has few locations. */
const connectionsMax = 16;
const connections = new Map<string, Connection>();

function connectionTo(location: S3Location): Connection {
  const key = JSON.stringify({ ...location, provider: location.provider.name });
  let connection = connections.get(key);
  if (!connection) {
    if (connections.size >= connectionsMax) connections.clear();
    connection = new Connection(location);
    connections.set(key, connection);
  }
  return connection;
}

export class S3Access {
  private readonly connection: Connection;

  constructor(readonly location: S3Location) {
    this.connection = connectionTo(location);
  }

  /** The key in the bucket of an object's name. */
  keyOf(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.location.bucket, Key: `${this.location.keyPrefix}${name}` };
  }

  /** Makes one request, and reads its answer. Rejects with a StoreError, or with the signal's reason. */
  async ask<T>(
    asked: Asked,
    signal: AbortSignal | undefined,
    send: (sdk: Sdk, client: S3Client) => Promise<T>,
  ): Promise<T> {
    const { requests, puts } = this.connection;
    const answered = () =>
      requests.in(signal, async () => {
        const { sdk, client } = await this.connection.open();
        signal?.throwIfAborted();
        try {
          return await send(sdk, client);
        } catch (error) {
          if (!wantsOtherCredentials(error) || signal?.aborted) throw error;
          this.connection.drop(client);
        }
        const renewed = await this.connection.open();
        return send(renewed.sdk, renewed.client);
      });
    try {
      return await (asked.creates ? puts.in(signal, answered) : answered());
    } catch (error) {
      signal?.throwIfAborted();
      throw failureFrom(error, this.location, asked);
    }
  }

  /** The bytes of a range, clamped to the object. */
  async read(
    name: string,
    range: Range | undefined,
    version: Version,
    signal?: AbortSignal,
  ): Promise<Buffer> {
    if (!range) return (await this.readPart(name, undefined, version, signal)).bytes;
    const { start, end } = range;
    if (end <= start) {
      if ((await this.size(name, version, signal)) === undefined) throw new ObjectMissing(name);
      return Buffer.alloc(0);
    }
    const last = Number.isSafeInteger(end) ? end - 1 : "";
    const part = await this.readPart(name, `bytes=${start}-${last}`, version, signal);
    return part.within(start, end);
  }

  async tail(name: string, bytes: number, version: Version, signal?: AbortSignal): Promise<Tail> {
    if (bytes <= 0) {
      const size = await this.size(name, version, signal);
      if (size === undefined) throw new ObjectMissing(name);
      return { bytes: Buffer.alloc(0), size };
    }
    const part = await this.readPart(name, `bytes=-${bytes}`, version, signal);
    return { bytes: part.within(Math.max(0, part.size - bytes), part.size), size: part.size };
  }

  async size(name: string, version: Version, signal?: AbortSignal): Promise<number | undefined> {
    let size: number | undefined;
    try {
      size = await this.sizeNow(name, version, signal);
    } catch (error) {
      const failure = failureOf(error);
      if (failure !== "forbidden" && failure !== "unsupported") throw error;
      // The answer to HEAD has no body, so it does not say why it is refused. That to a listing does. If the clock was
      // wrong, the SDK has set its own by the first answer, and neither is refused any more.
      await this.askBucket(signal);
      size = await this.sizeNow(name, version, signal);
    }
    // Nor does it tell a missing object from a missing bucket.
    if (size === undefined && !this.connection.isBucketSeen) await this.askBucket(signal);
    this.connection.isBucketSeen = true;
    return size;
  }

  private sizeNow(
    name: string,
    version: Version,
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    return this.ask({ name }, signal, async (sdk, client) => {
      try {
        const input = { ...this.keyOf(name), ...version };
        const found = await client.send(new sdk.HeadObjectCommand(input), sending(signal));
        if (found.ContentLength === undefined) throw this.unclear(name, "no length");
        return found.ContentLength;
      } catch (error) {
        if (answerOf(error).status === 404) return undefined;
        throw error;
      }
    });
  }

  /** Throws if the bucket is not there, or may not be listed. */
  private async askBucket(signal: AbortSignal | undefined): Promise<void> {
    const { bucket, keyPrefix } = this.location;
    const input = { Bucket: bucket, Prefix: keyPrefix, MaxKeys: 1 };
    await this.ask({ name: "" }, signal, (sdk, client) =>
      client.send(new sdk.ListObjectsV2Command(input), sending(signal)),
    );
  }

  private readPart(
    name: string,
    range: string | undefined,
    version: Version,
    signal: AbortSignal | undefined,
  ): Promise<Part> {
    return this.ask({ name }, signal, async (sdk, client) => {
      const input = { ...this.keyOf(name), ...version, ...(range ? { Range: range } : {}) };
      try {
        const answer = await client.send(new sdk.GetObjectCommand(input), sending(signal));
        return await this.partOf(name, answer, signal);
      } catch (error) {
        // The object is there, and the range begins at its end or after it, or is the end of an empty object.
        if (answerOf(error).status === 416) return this.emptyPart(name, range, error);
        throw error;
      }
    });
  }

  /** The part that an answer holds, if the answer is whole. */
  private async partOf(
    name: string,
    answer: GetObjectCommandOutput,
    signal: AbortSignal | undefined,
  ): Promise<Part> {
    const length = answer.ContentLength;
    const bytes = await bytesOf(answer.Body, length, signal);
    if (length !== undefined && bytes.length !== length) {
      throw this.unclear(name, `${bytes.length} bytes instead of ${length}`);
    }
    if (answer.ContentRange === undefined) return new Part(bytes, 0, bytes.length);
    const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange);
    if (!match) throw this.unclear(name, `the range ${answer.ContentRange}`);
    const [first, last, size] = match.slice(1).map(Number) as [number, number, number];
    if (last - first + 1 !== bytes.length || last >= size) {
      throw this.unclear(name, `${bytes.length} bytes as ${answer.ContentRange}`);
    }
    return new Part(bytes, first, size);
  }

  private emptyPart(name: string, range: string | undefined, error: unknown): Part {
    if (range === undefined) throw this.unclear(name, "416");
    // Of a range from the end on, only that of an empty object cannot be satisfied.
    const { $response } = error as { $response?: { headers?: Record<string, string> } };
    const told = /\/(\d+)$/.exec($response?.headers?.["content-range"] ?? "")?.[1];
    if (range.startsWith("bytes=-") && told !== undefined && told !== "0") {
      throw this.unclear(name, `416 for the end of ${told} bytes`);
    }
    return new Part(Buffer.alloc(0), 0, 0);
  }

  private unclear(name: string, what: string): StoreUnavailable {
    return new StoreUnavailable(
      `${this.location.printable} answers ${what} for object ${name}`,
      undefined,
      "a proxy or the server breaks answers off; trying again helps if it happens rarely",
    );
  }
}

/** A part of an object, or all of it. */
class Part {
  constructor(
    readonly bytes: Buffer,
    /** Where in the object the bytes begin. */
    private readonly first: number,
    /** Bytes of the object; 0 if a range was asked for that the object does not reach. */
    readonly size: number,
  ) {}

  /** The bytes from `start` to `end` of the object. A server may answer with more of it. */
  within(start: number, end: number): Buffer {
    const wanted = Math.max(0, Math.min(end, this.size) - start);
    const bytes = this.bytes.subarray(Math.max(0, start - this.first), end - this.first);
    if (this.first > start || bytes.length !== wanted) {
      throw new StoreUnavailable(`${bytes.length} bytes were answered instead of ${wanted}`);
    }
    return bytes;
  }
}

/** Reads a body into one buffer of its own. */
async function bytesOf(
  body: GetObjectCommandOutput["Body"],
  length: number | undefined,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  if (!body) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    heard(signal);
    size += chunk.length;
    // More than there should be is told by its length, and not kept.
    if (length !== undefined && size > length) break;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? Buffer.from(chunks[0]!) : Buffer.concat(chunks);
}

/** The options of a request. */
export function sending(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}
