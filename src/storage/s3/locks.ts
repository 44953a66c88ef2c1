/** Locks of objects that are there already. */
import type { Instant } from "../../instant.js";
import { failureOf } from "../object-store.js";
import { type S3Access, sending } from "./access.js";
import type { LockMode } from "./location.js";

interface Held {
  mode: LockMode | undefined;
  until: Instant;
}

/** Locks an object until an instant at least. A lock that lasts longer stays, and so does a stricter mode. */
export async function extendLock(
  access: S3Access,
  mode: LockMode,
  name: string,
  until: Instant,
  signal?: AbortSignal,
): Promise<void> {
  const held = await lockOf(access, name, signal);
  if (held.until >= until) return;
  const retention = { Mode: held.mode ?? mode, RetainUntilDate: new Date(until) };
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
