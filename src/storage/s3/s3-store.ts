/**
 * A store in a bucket of AWS S3, or of a service that speaks as S3 does.
 *
 * Invariant: an object is created with a condition, in one request with all its bytes. The server alone decides who was
 * first. Break it and a second writer replaces what the first one was told is stored.
 *
 * It tries once. RetryingStore, above it, asks again, and finds out whether an object is its own after a lost answer.
 */
import type { _Object, PutObjectCommandInput } from "@aws-sdk/client-s3";
import type { Clock } from "../../clock.js";
import type { Instant } from "../../instant.js";
import { outOfOrder } from "../bucket-failures.js";
import {
  checkName,
  failureOf,
  isName,
  type ListOptions,
  type ObjectStore,
  type Range,
  type StoredObject,
  StoreUnavailable,
  type Tail,
} from "../object-store.js";
import { S3Access, sending } from "./access.js";
import { failureFrom, noConditions } from "./failures.js";
import type { S3Location } from "./location.js";
import { Locks } from "./locks.js";

/** At most so many objects are removed with one request; S3 takes no more. */
const deletedAtOnceMax = 1000;

export class S3Store implements ObjectStore {
  readonly location: string;
  readonly chargesRequests = true;
  readonly mayOverwrite: boolean;
  readonly lockMs: number | undefined;
  readonly extendLock?: NonNullable<ObjectStore["extendLock"]>;
  onMoreRequests: ObjectStore["onMoreRequests"] = undefined;
  private readonly access: S3Access;
  private readonly locks: Locks | undefined;

  constructor(
    private readonly at: S3Location,
    private readonly clock: Clock,
  ) {
    this.location = at.printable;
    this.mayOverwrite = !at.provider.isProven;
    this.access = new S3Access(at);
    const { lock } = at;
    this.lockMs = lock?.ms;
    if (!lock) return;
    const locks = new Locks(this.access, lock, (more) => this.onMoreRequests?.(more));
    this.locks = locks;
    this.extendLock = (name, until, signal) =>
      locks.extend(name, until, this.clock.now() + lock.ms, signal);
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    if (!this.at.provider.createIfAbsent) throw noConditions(this.at);
    // A copy: the caller may overwrite its own buffer after an abort, while the request is still being sent.
    const body = Buffer.from(bytes);
    const lockedUntil = await this.access.ask({ name, creates: true }, signal, (sdk, client) => {
      const input = this.putOf(name, body, client.config.systemClockOffset);
      const until = input.ObjectLockRetainUntilDate?.getTime();
      return client.send(new sdk.PutObjectCommand(input), sending(signal)).then(() => until);
    });
    if (lockedUntil !== undefined) await this.locks?.refuseUnlocked(name, lockedUntil, signal);
  }

  async replace(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const body = Buffer.from(bytes);
    await this.access.ask({ name }, signal, (sdk, client) => {
      const { IfNoneMatch: _, ...input } = this.putOf(name, body, client.config.systemClockOffset);
      return client.send(new sdk.PutObjectCommand(input), sending(signal));
    });
  }

  async storedAt(name: string, signal?: AbortSignal): Promise<Instant | undefined> {
    checkName(name);
    try {
      const found = await this.access.ask({ name }, signal, (sdk, client) =>
        client.send(new sdk.HeadObjectCommand(this.access.keyOf(name)), sending(signal)),
      );
      return found.LastModified?.getTime();
    } catch (error) {
      if (failureOf(error) === "missing") return undefined;
      throw error;
    }
  }

  /** @param clockOffsetMs by how much the server's clock is ahead of this machine's, as far as its answers have told */
  private putOf(name: string, body: Buffer, clockOffsetMs: number): PutObjectCommandInput {
    const { storageClass, sse, sseKey, lock } = this.at;
    return {
      ...this.access.keyOf(name),
      Body: body,
      ContentLength: body.length,
      ContentType: "application/octet-stream",
      IfNoneMatch: "*",
      ...(storageClass === undefined
        ? {}
        : { StorageClass: storageClass as NonNullable<_Object["StorageClass"]> }),
      ...(sse === undefined ? {} : { ServerSideEncryption: sse }),
      ...(sseKey === undefined ? {} : { SSEKMSKeyId: sseKey }),
      // S3 wants a checksum with a lock. Where the provider is given an MD5 instead, client.ts exchanges it.
      ...(lock === undefined
        ? {}
        : {
            ChecksumAlgorithm: "CRC32",
            ObjectLockMode: lock.mode,
            ObjectLockRetainUntilDate: new Date(this.clock.now() + clockOffsetMs + lock.ms),
          }),
    };
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    checkName(name);
    return this.access.read(name, range, {}, signal);
  }

  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    checkName(name);
    return this.access.tail(name, bytes, {}, signal);
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    checkName(name);
    return this.access.size(name, {}, signal);
  }

  async *list(prefix: string, { after, signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    const { bucket, keyPrefix } = this.at;
    let last = after ? `${keyPrefix}${after}` : "";
    for (let token: string | undefined; ; ) {
      if (token !== undefined) this.onMoreRequests?.({ lists: 1 });
      const input = {
        Bucket: bucket,
        Prefix: `${keyPrefix}${prefix}`,
        ...(token === undefined ? {} : { ContinuationToken: token }),
        ...(token === undefined && last !== "" ? { StartAfter: last } : {}),
      };
      const page = await this.access.ask({ name: "" }, signal, (sdk, client) =>
        client.send(new sdk.ListObjectsV2Command(input), sending(signal)),
      );
      for (const { Key: key = "", Size: size } of page.Contents ?? []) {
        const name = key.slice(keyPrefix.length);
        if (!isName(name)) continue;
        if (key <= last) throw outOfOrder(this.location);
        last = key;
        if (size === undefined) throw this.incomplete("an object without a size");
        yield { name, size };
      }
      if (page.IsTruncated !== true) return;
      if (page.NextContinuationToken === token || page.NextContinuationToken === undefined) {
        throw this.incomplete("a page without the token of the next one");
      }
      token = page.NextContinuationToken;
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name);
    await this.access.ask({ name }, signal, async (sdk, client) => {
      try {
        await client.send(new sdk.DeleteObjectCommand(this.access.keyOf(name)), sending(signal));
      } catch (error) {
        if (isNoSuchKey(error)) return;
        throw error;
      }
    });
  }

  async deleteMany(names: readonly string[], signal?: AbortSignal): Promise<void> {
    names.forEach(checkName);
    for (let i = 0; i < names.length; i += deletedAtOnceMax) {
      if (i > 0) this.onMoreRequests?.({ deletes: 1 });
      await this.deleteSome(names.slice(i, i + deletedAtOnceMax), signal);
    }
  }

  private async deleteSome(names: readonly string[], signal?: AbortSignal): Promise<void> {
    const input = {
      Bucket: this.at.bucket,
      Delete: { Objects: names.map((name) => ({ Key: this.access.keyOf(name).Key })), Quiet: true },
    };
    await this.access.ask({ name: "" }, signal, async (sdk, client) => {
      const answer = await client.send(new sdk.DeleteObjectsCommand(input), sending(signal));
      // The answer is a 200 even if nothing was deleted.
      for (const { Key = "", Code = "", Message = "" } of answer.Errors ?? []) {
        if (Code === "NoSuchKey") continue;
        const name = Key.slice(this.at.keyPrefix.length);
        throw failureFrom(errorOf(Code, Message), this.at, { name });
      }
    });
  }

  private incomplete(what: string): StoreUnavailable {
    return new StoreUnavailable(`${this.location} lists ${what}`);
  }
}

function isNoSuchKey(error: unknown): boolean {
  return error instanceof Error && error.name === "NoSuchKey";
}

/** Codes in a list of errors, which has no status, and the status that goes with each. Any other may pass. */
const statusOfCode: Record<string, number> = {
  AccessDenied: 403,
  InvalidArgument: 400,
  InvalidRequest: 400,
  InvalidObjectState: 403,
  KeyTooLongError: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  NotImplemented: 501,
  ObjectLocked: 403,
};

function errorOf(code: string, message: string): Error {
  const status = statusOfCode[code] ?? 503;
  return Object.assign(new Error(message), { name: code, $metadata: { httpStatusCode: status } });
}
