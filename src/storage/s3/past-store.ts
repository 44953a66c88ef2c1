/**
 * A bucket with versions, as it was at an instant. For a repository whose objects were deleted or replaced since: in
 * such a bucket a delete only adds a marker, and a put only adds a version.
 *
 * For each key it shows the newest version that is not after the instant, and nothing if that is a marker. The times of
 * versions are seconds. If a version and a marker are of the same second, and neither is the current one, the version
 * is shown: an object too many can be told from its content, a missing one cannot.
 */
import type { DeleteMarkerEntry, ObjectVersion } from "@aws-sdk/client-s3";
import { formatInstant, type Instant } from "../../instant.js";
import {
  checkName,
  isName,
  type ListOptions,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  StoreUnavailable,
  StoreUnsupported,
  type Tail,
} from "../object-store.js";
import { S3Access, sending } from "./access.js";
import type { S3Location } from "./location.js";

/** At most so many versions are remembered from a listing, so that a read need not ask for them again. */
const rememberedMax = 100_000;

interface PastVersion {
  id: string;
  /** Bytes. */
  size: number;
}

export class S3PastStore implements ObjectStore {
  readonly location: string;
  private readonly access: S3Access;
  private readonly remembered = new Map<string, PastVersion>();
  private isVersioned = false;

  constructor(
    private readonly at: S3Location,
    private readonly instant: Instant,
  ) {
    this.location = at.printable;
    this.access = new S3Access(at);
  }

  put(): Promise<void> {
    return Promise.reject(this.past());
  }

  delete(): Promise<void> {
    return Promise.reject(this.past());
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    const version = await this.find(name, signal);
    return this.access.read(name, range, version, signal);
  }

  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    const version = await this.find(name, signal);
    return this.access.tail(name, bytes, version, signal);
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return (await this.look(name, signal))?.size;
  }

  async *list(prefix: string, { after, signal }: ListOptions = {}): AsyncGenerator<StoredObject> {
    for await (const { name, version } of this.versions(prefix, after, signal)) {
      if (this.remembered.size >= rememberedMax) this.remembered.clear();
      this.remembered.set(name, version);
      yield { name, size: version.size };
    }
  }

  private async find(name: string, signal?: AbortSignal): Promise<{ VersionId: string }> {
    const version = await this.look(name, signal);
    if (!version) throw new ObjectMissing(name);
    return { VersionId: version.id };
  }

  private async look(name: string, signal?: AbortSignal): Promise<PastVersion | undefined> {
    checkName(name);
    const known = this.remembered.get(name);
    if (known) return known;
    for await (const found of this.versions(name, undefined, signal)) {
      // The name itself comes before all longer names that begin with it.
      return found.name === name ? found.version : undefined;
    }
    return undefined;
  }

  /** The objects as they were then, in the order of their names. */
  private async *versions(prefix: string, after: string | undefined, signal?: AbortSignal) {
    await this.refuseUnversioned(signal);
    let history: History | undefined;
    for await (const entry of this.entries(prefix, after, signal)) {
      const name = entry.Key!.slice(this.at.keyPrefix.length);
      if (!isName(name)) continue;
      if (history && history.name !== name) yield* history.object();
      if (history?.name !== name) history = new History(name);
      if (entry.LastModified!.getTime() <= this.instant) history.add(entry);
    }
    if (history) yield* history.object();
  }

  /** All versions and markers of keys, in the order of the keys, those of one key from the newest on. */
  private async *entries(prefix: string, after: string | undefined, signal?: AbortSignal) {
    const { bucket, keyPrefix } = this.at;
    let marker: { KeyMarker?: string; VersionIdMarker?: string } =
      after === undefined || after === "" ? {} : { KeyMarker: `${keyPrefix}${after}` };
    for (;;) {
      const input = { Bucket: bucket, Prefix: `${keyPrefix}${prefix}`, ...marker };
      const page = await this.access.ask({ name: "" }, signal, (sdk, client) =>
        client.send(new sdk.ListObjectVersionsCommand(input), sending(signal)),
      );
      yield* inOrder(page.Versions ?? [], page.DeleteMarkers ?? []);
      if (page.IsTruncated !== true) return;
      if (page.NextKeyMarker === undefined) {
        throw new StoreUnavailable(`${this.location} lists a page without the key of the next one`);
      }
      marker = {
        KeyMarker: page.NextKeyMarker,
        ...(page.NextVersionIdMarker ? { VersionIdMarker: page.NextVersionIdMarker } : {}),
      };
    }
  }

  /** Throws if the bucket never had versions: then what was deleted is gone, and nothing would tell. */
  private async refuseUnversioned(signal: AbortSignal | undefined): Promise<void> {
    if (this.isVersioned) return;
    const { Status } = await this.access.ask({ name: "" }, signal, (sdk, client) =>
      client.send(new sdk.GetBucketVersioningCommand({ Bucket: this.at.bucket }), sending(signal)),
    );
    if (Status === undefined) {
      throw new StoreUnsupported(
        `the bucket of ${this.location} keeps no versions`,
        "read the bucket as it is now; to read a past state later, enable versioning now",
      );
    }
    this.isVersioned = true;
  }

  private past(): StoreUnsupported {
    return new StoreUnsupported(
      `${this.location} as it was at ${formatInstant(this.instant)} cannot be written to`,
      "write to the bucket as it is now",
    );
  }
}

/** What is known of one key up to the instant. */
class History {
  private version: ObjectVersion | undefined;
  private marker: DeleteMarkerEntry | undefined;

  constructor(readonly name: string) {}

  /** @param entry not newer than those added before, as far as they are of its kind */
  add(entry: ObjectVersion | DeleteMarkerEntry): void {
    if ("Size" in entry) this.version ??= entry;
    else this.marker ??= entry;
  }

  /** The object that was there, if there was one. */
  *object(): Generator<{ name: string; version: PastVersion }> {
    const { name, version, marker } = this;
    if (!version || (marker && isNewer(marker, version))) return;
    yield { name, version: { id: version.VersionId ?? "null", size: version.Size ?? 0 } };
  }
}

function isNewer(marker: DeleteMarkerEntry, version: ObjectVersion): boolean {
  if (marker.IsLatest || version.IsLatest) return marker.IsLatest === true;
  return marker.LastModified!.getTime() > version.LastModified!.getTime();
}

/** Merges two lists, each in the order of its keys. The keys that matter are ASCII. */
function* inOrder(versions: ObjectVersion[], markers: DeleteMarkerEntry[]) {
  const all: (ObjectVersion | DeleteMarkerEntry)[] = [...versions, ...markers];
  // Sorting is stable: versions of one key stay in their order, and so do markers.
  yield* all
    .filter(({ Key, LastModified }) => Key !== undefined && LastModified !== undefined)
    .sort((a, b) => (a.Key! < b.Key! ? -1 : a.Key! > b.Key! ? 1 : 0));
}
