/** A bucket in memory, with versions and locks as S3 has them. */
import { randomUUID } from "node:crypto";

export interface Version {
  id: string;
  /** undefined for a delete marker. */
  bytes: Buffer | undefined;
  /** Milliseconds since the Unix epoch. */
  modified: number;
  lock?: { mode: string; until: number } | undefined;
  headers: Record<string, string>;
}

export class S3Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

export class FakeBucket {
  /** The versions of each key, from the oldest on. */
  readonly keys = new Map<string, Version[]>();

  constructor(
    readonly isVersioned: boolean,
    private readonly now: () => number,
  ) {}

  /** The current object of a key, or that of a version. A delete marker is none. */
  find(key: string, id?: string | null): Version | undefined {
    const versions = this.keys.get(key) ?? [];
    const found = id ? versions.find((one) => one.id === id) : versions.at(-1);
    return found?.bytes ? found : undefined;
  }

  put(key: string, bytes: Buffer, headers: Record<string, string>, lock: Version["lock"]): Version {
    const version = { ...this.newVersion(bytes, headers), lock };
    this.add(key, version);
    return version;
  }

  delete(key: string): void {
    if (this.isVersioned) {
      // A marker is added even if there is no such key.
      this.add(key, this.newVersion(undefined, {}));
    } else {
      this.keys.delete(key);
    }
  }

  /** The current objects in the order of the bytes of their keys, as they were so many milliseconds ago. */
  current(prefix: string, staleMs: number): [string, Version][] {
    const seen = this.now() - staleMs;
    const found: [string, Version][] = [];
    for (const [key, versions] of this.keys) {
      const last = versions.filter(({ modified }) => staleMs === 0 || modified <= seen).at(-1);
      if (key.startsWith(prefix) && last?.bytes) found.push([key, last]);
    }
    return found.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  /** All versions, in the order of the bytes of their keys, and those of one key from the newest on. */
  all(prefix: string): { key: string; version: Version; isLatest: boolean }[] {
    const keys = [...this.keys.keys()].filter((key) => key.startsWith(prefix));
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    return keys.flatMap((key) =>
      this.keys
        .get(key)!
        .toReversed()
        .map((version, i) => ({ key, version, isLatest: i === 0 })),
    );
  }

  retain(key: string, mode: string, until: number, bypasses: boolean): void {
    const version = this.find(key);
    if (!version) throw new S3Refusal(404, "NoSuchKey", "The specified key does not exist.");
    const { lock } = version;
    const shortens = lock !== undefined && until < lock.until;
    if (shortens && !(bypasses && lock.mode === "GOVERNANCE")) {
      throw new S3Refusal(403, "AccessDenied", "Access Denied because object protected by lock.");
    }
    version.lock = { mode, until };
  }

  private newVersion(bytes: Buffer | undefined, headers: Record<string, string>): Version {
    return {
      id: this.isVersioned ? randomUUID() : "null",
      bytes,
      modified: this.now(),
      headers,
    };
  }

  private add(key: string, version: Version): void {
    const versions = this.isVersioned ? (this.keys.get(key) ?? []) : [];
    this.keys.set(key, [...versions, version]);
  }
}
