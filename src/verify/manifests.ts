/** Reads every manifest that counts, checks that its parts are there, and keeps what it says of them. */
import type { Kind } from "../format/data-kinds.js";
import {
  type FoldedName,
  parseFoldedName,
  parseManifestName,
  parseSegmentName,
} from "../format/names.js";
import type { ObjectReference } from "../format/segment.js";
import { type BaseManifest, type BasePart, readManifest } from "../repository/bases/base.js";
import { isDisowned, isDisownedInstant } from "../repository/log/claims.js";
import {
  type FoldedManifest,
  type FoldedPart,
  type FoldedRecords,
  readFoldedManifest,
} from "../repository/log/folded.js";
import { byPlaceInLog } from "../repository/log/places.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { Belonging } from "./belonging.js";
import { Findings } from "./findings.js";
import { directoryOf } from "./object-kinds.js";
import type { SmallObjects } from "./small-objects.js";

/** What manifests say of a data object. */
export interface Referred {
  kind: Kind;
  checksum: string;
  /** Names of the manifests that refer to it. */
  by: string[];
  /** Id of its table; undefined for records of a system stream. */
  table: string | undefined;
  /** The manifest's entry for it, of the type that its kind has; undefined for keys of a base. */
  part: BasePart | FoldedPart | FoldedRecords | undefined;
}

export interface ReadFolded {
  parsed: FoldedName;
  /** Undefined if it cannot be read. */
  manifest: FoldedManifest | undefined;
}

export interface ReadBase {
  table: string;
  instant: number;
  manifest: BaseManifest | undefined;
}

export interface Manifests {
  /** Folded segments and bases that count, by the manifest's name. */
  folded: Map<string, ReadFolded>;
  bases: Map<string, ReadBase>;
  /** Data objects that their manifests refer to, by name. */
  referred: Map<string, Referred>;
  /** Tables with a base whose manifest cannot be read: what it refers to is not known. */
  unreadable: Set<string>;
  /** Names of manifests that were expired, or disowned; and of the parts and keys that such bases refer to. */
  expired: Set<string>;
  disowned: Set<string>;
}

/** Names of the manifests that an object belongs to: its own if it is a manifest, none if it belongs to none. */
export function manifestsOf(object: string, { folded, bases, referred }: Manifests): string[] {
  const manifest = `${directoryOf(object)}manifest.json`;
  if (folded.has(manifest)) return [manifest];
  return bases.has(object) ? [object] : (referred.get(object)?.by ?? []);
}

/** True if another folded segment stands for the whole segment, or for the whole folded segment of the object. */
export function isStoodFor(object: string, { folded }: Manifests): boolean {
  const segment = parseSegmentName(object);
  const of = segment ? undefined : parseFoldedName(`${directoryOf(object)}manifest.json`);
  const [first, last] = [segment ?? of?.first, segment ?? of?.last];
  if (!first || !last) return false;
  return [...folded.values()].some(
    ({ parsed, manifest }) =>
      manifest !== undefined &&
      parsed.name !== of?.name &&
      byPlaceInLog(parsed.first, first) <= 0 &&
      byPlaceInLog(last, parsed.last) <= 0,
  );
}

export async function readManifests(
  store: ListedStore,
  small: SmallObjects,
  belonging: Belonging,
  findings: Findings,
): Promise<Manifests> {
  const reader = new ManifestReader(store, small, belonging, findings);
  for (const name of store.names("folded/")) {
    const parsed = parseFoldedName(name);
    if (parsed) await reader.readFolded(parsed);
  }
  await reader.forgetVanished();
  for (const name of store.names("bases/")) {
    const parsed = parseManifestName(name);
    if (parsed) await reader.readBase(parsed);
  }
  return reader.manifests;
}

class ManifestReader {
  readonly manifests: Manifests = {
    folded: new Map(),
    bases: new Map(),
    referred: new Map(),
    unreadable: new Set(),
    expired: new Set(),
    disowned: new Set(),
  };
  /** Manifests of folded segments that cannot be read, and why. */
  private readonly unread = new Map<string, Findings>();

  constructor(
    private readonly store: ListedStore,
    private readonly small: SmallObjects,
    private readonly belonging: Belonging,
    private readonly findings: Findings,
  ) {}

  async readFolded(parsed: FoldedName): Promise<void> {
    const { expiry, claims } = this.small;
    const { folded, expired, disowned } = this.manifests;
    if (expiry && (parsed.to <= expiry.logTo || Object.hasOwn(expiry.folded, parsed.name))) {
      expired.add(parsed.name);
      return;
    }
    if (isDisowned(parsed.last, claims)) {
      disowned.add(parsed.name);
      return;
    }
    const own = new Findings();
    const manifest = await own.during(() => readFoldedManifest(this.store, parsed));
    if (manifest) this.belonging.note(parsed.name, manifest.repository);
    else this.unread.set(parsed.name, own);
    folded.set(parsed.name, { parsed, manifest });
    for (const { table, parts } of manifest?.tables ?? []) {
      for (const part of parts) {
        this.refer(part, { kind: "foldedPart", table, part }, parsed.name);
        await this.checkThere(part.name, part.bytes);
      }
    }
    for (const records of [manifest?.catalog, manifest?.coverage]) {
      if (!records) continue;
      this.refer(records, { kind: "foldedRecords", table: undefined, part: records }, parsed.name);
      await this.checkThere(records.name, records.bytes);
    }
  }

  /** Adds findings for the unread manifests, except those deleted since they were listed, as others stand for them. */
  async forgetVanished(): Promise<void> {
    for (const [name, own] of this.unread) {
      const isReplaced = isStoodFor(name, this.manifests);
      if (isReplaced && (await this.store.isGone(name))) this.manifests.folded.delete(name);
      else this.findings.addAll(own);
    }
  }

  async readBase(parsed: { name: string; table: string; instant: number }): Promise<void> {
    const { name, table, instant } = parsed;
    const { bases, expired, disowned } = this.manifests;
    if (this.small.expiry && Object.hasOwn(this.small.expiry.bases, name)) {
      await this.setAside(name, expired);
      return;
    }
    const manifest = await this.findings.during(() => readManifest(this.store, name));
    const { epoch } = manifest ?? {};
    if (epoch !== undefined && isDisownedInstant(epoch, instant, this.small.claims)) {
      await this.setAside(name, disowned);
      return;
    }
    bases.set(name, { table, instant, manifest });
    if (manifest) this.belonging.note(name, manifest.repository);
    else this.manifests.unreadable.add(table);
    for (const part of manifest?.parts ?? []) {
      this.refer(part, { kind: "basePart", table, part }, name);
      this.refer(part.keys, { kind: "baseKeys", table, part: undefined }, name);
      await this.checkThere(part.name, part.bytes);
      await this.checkThere(part.keys.name, undefined);
    }
  }

  /** Notes a manifest that does not count, and what it refers to. Whether that is there and whole does not matter. */
  private async setAside(name: string, aside: Set<string>): Promise<void> {
    aside.add(name);
    const manifest = await new Findings().during(() => readManifest(this.store, name));
    for (const part of manifest?.parts ?? []) aside.add(part.name).add(part.keys.name);
  }

  private refer(
    { name, checksum }: ObjectReference,
    referred: Omit<Referred, "checksum" | "by">,
    by: string,
  ): void {
    const known = this.manifests.referred.get(name);
    if (!known) {
      this.manifests.referred.set(name, { ...referred, checksum, by: [by] });
      return;
    }
    known.by.push(by);
    if (known.checksum !== checksum || known.kind !== referred.kind) {
      this.findings.add(
        by,
        `it names ${name} with another checksum or kind than ${known.by[0]} does`,
      );
    }
  }

  private async checkThere(name: string, bytes: number | undefined): Promise<void> {
    if (!(await this.store.lookFor(name))) {
      this.findings.add(name, "it is missing");
      return;
    }
    const size = this.store.listedSize(name)!;
    if (bytes !== undefined && size !== bytes) {
      this.findings.add(name, `it has ${size} bytes instead of ${bytes}`);
    }
  }
}
