/** Locks of objects that are there already. */
import type { Instant } from "../../instant.js";
import { failureOf, StoreUnsupported } from "../object-store.js";
import type { Requests } from "../store-use.js";
import { type S3Access, sending } from "./access.js";
import type { Lock } from "./location.js";

interface Held {
  mode: Lock["mode"] | undefined;
  until: Instant;
}

/** Servers keep whole seconds. */
const secondMs = 1000;

export class Locks {
  /** What was seen to be kept: a server may take the headers of a lock and ignore them. */
  private readonly seen = { put: false, extension: false };

  constructor(
    private readonly access: S3Access,
    private readonly lock: Lock,
    private readonly onMoreRequests: (more: Partial<Requests>) => void,
  ) {}

  /** Throws unless an object that was put with a lock until an instant has one. Asks for the first one only. */
  async refuseUnlocked(name: string, until: Instant, signal?: AbortSignal): Promise<void> {
    await this.refuseUnkept("put", name, until, signal);
  }

  /**
   * Locks an object until an instant at least; for as long as a new one, if it has to be locked for longer. A lock that
   * lasts longer stays, and so does a stricter mode.
   * @param fully until when a new object is locked
   */
  async extend(name: string, until: Instant, fully: Instant, signal?: AbortSignal): Promise<void> {
    const { access } = this;
    const held = await lockOf(access, name, signal);
    if (held.until >= until) return;
    const wanted = Math.max(until, fully);
    const retention = { Mode: held.mode ?? this.lock.mode, RetainUntilDate: new Date(wanted) };
    this.onMoreRequests({ puts: 1 });
    try {
      await access.ask({ name }, signal, (sdk, client) =>
        client.send(
          new sdk.PutObjectRetentionCommand({ ...access.keyOf(name), Retention: retention }),
          sending(signal),
        ),
      );
    } catch (error) {
      // Another process may have extended it further meanwhile: S3 forbids to shorten a lock.
      const mayBeLonger = failureOf(error) === "forbidden";
      if (!mayBeLonger || (await lockOf(access, name, signal)).until < until) throw error;
    }
    await this.refuseUnkept("extension", name, until, signal);
  }

  private async refuseUnkept(
    what: keyof Locks["seen"],
    name: string,
    until: Instant,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.seen[what]) return;
    this.onMoreRequests({ heads: 1 });
    if ((await lockOf(this.access, name, signal)).until < until - secondMs) {
      throw new StoreUnsupported(
        `${this.access.location.printable} takes a lock, and does not keep it: object ${name} has none that lasts`,
        "turn Object Lock on for the bucket, give the credentials s3:GetObjectRetention, or use a server that locks; without lock= nothing is locked",
      );
    }
    this.seen[what] = true;
  }
}

async function lockOf(access: S3Access, name: string, signal?: AbortSignal): Promise<Held> {
  const found = await access.ask({ name, isHead: true }, signal, (sdk, client) =>
    client.send(new sdk.HeadObjectCommand(access.keyOf(name)), sending(signal)),
  );
  return {
    mode: found.ObjectLockMode,
    until: found.ObjectLockRetainUntilDate?.getTime() ?? Number.NEGATIVE_INFINITY,
  };
}
