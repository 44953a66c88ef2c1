/**
 * The stored form of an object in a sealed repository: each section an age file of its own, then a trailer with the
 * writer's signature. docs/format.md §16.2.
 *
 * Invariant: the signature covers the repository, the object's name and every stored byte. Break it and an object can
 * be forged, altered, or stored under the name of another one.
 */
import { createHash } from "node:crypto";
import { damaged } from "../errors.js";
import {
  AgeError,
  type AgeIdentity,
  type AgeRecipient,
  ageHeader,
  contentBytes,
  fileKeyIn,
  newHeader,
  openChunks,
  payloadKey,
  payloadNonceBytes,
  sealedRange,
  sealPayload,
} from "./age.js";
import { type Identity, isSignedBy, signatureBy } from "./identity.js";
import { type Sections, sectionsOf } from "./sections.js";

export const sealedMagic = Buffer.from("THINKBS1", "latin1");

/** SHA-256 of documents and of structure, the signer's key, the signature, and the lengths, with the magic. */
const fixed = { documents: 0, structure: 32, signer: 64, signature: 96, lengths: 160, magic: 176 };
const fixedTrailerBytes = 184;

/** Who may read the sections of an object; who reads the structure reads the index. */
export interface Readers<T> {
  documents: T;
  structure: T;
}

/** What ties an object to its place. */
export interface PlaceOf {
  /** Id of the repository. */
  repository: string;
  name: string;
}

export function sealObject(
  place: PlaceOf,
  bytes: Buffer,
  readers: Readers<AgeRecipient>,
  signer: Identity,
): Buffer {
  const sections = sectionsOf(place.name, bytes);
  const documents = sealSection(sections.documents, readers.documents);
  const structure = sealSection(sections.structure, readers.structure);
  const index = sealSection(sections.index, readers.structure, true);
  const trailer = Buffer.alloc(fixedTrailerBytes);
  sha256Of(documents.parts).copy(trailer, fixed.documents);
  sha256Of(structure.parts).copy(trailer, fixed.structure);
  Buffer.from(signer.public.verify, "hex").copy(trailer, fixed.signer);
  let at = trailer.writeUInt32LE(documents.length, fixed.lengths);
  at = trailer.writeUInt32LE(structure.length, at);
  at = trailer.writeUInt32LE(index.length, at);
  at = trailer.writeUInt16LE(documents.header.length, at);
  trailer.writeUInt16LE(structure.header.length, at);
  sealedMagic.copy(trailer, fixed.magic);
  const headers = Buffer.concat([documents.header, structure.header]);
  const message = messageOf(place, sha256Of(index.parts), headers, trailer);
  signatureBy(signer, message).copy(trailer, fixed.signature);
  return Buffer.concat([...documents.parts, ...structure.parts, ...index.parts, headers, trailer]);
}

interface SealedSection {
  header: Buffer;
  parts: Buffer[];
  length: number;
}

/** A section as an age file; nothing if it is empty and needs not be there. */
function sealSection(bytes: Buffer, recipient: AgeRecipient, isNeeded = false): SealedSection {
  if (bytes.length === 0 && !isNeeded) return { header: Buffer.alloc(0), parts: [], length: 0 };
  const { header, fileKey } = newHeader([recipient]);
  const parts = [header, ...sealPayload(fileKey, [bytes])];
  return { header, parts, length: parts.reduce((sum, part) => sum + part.length, 0) };
}

function messageOf(place: PlaceOf, index: Buffer, headers: Buffer, trailer: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`thinkback sealed object 1\n${place.repository}\n${place.name}\n`),
    index,
    createHash("sha256").update(headers).digest(),
    trailer.subarray(0, fixed.signature),
    trailer.subarray(fixed.lengths),
  ]);
}

function sha256Of(parts: readonly Buffer[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** A section that is read chunk by chunk. */
interface ChunkedSection {
  /** Where it is in the object's bytes: from `start` up to `end`, exclusive. */
  start: number;
  end: number;
  /** Where it is in the stored bytes. */
  offset: number;
  length: number;
  header: Buffer;
  sha256: Buffer;
  /** The key of its payload, once it was needed. */
  key: Buffer | undefined;
}

/** A sealed object whose trailer and index were read and checked. */
export interface OpenedObject extends Sections<ChunkedSection> {
  /** Bytes of the object, and of its stored form. */
  size: number;
  storedSize: number;
  indexBytes: Buffer;
  /** The verification key of who has signed it, hexadecimal. */
  signer: string;
}

export interface SealedEnd extends Sections<number> {
  /** Bytes of everything from the index on. */
  ending: number;
  trailer: Buffer;
  headerLengths: Pick<Sections<number>, "documents" | "structure">;
}

/** Reads the lengths in an object's last bytes. Throws, naming it, if it is not sealed, or they are impossible. */
export function readEnd(name: string, tail: Buffer, storedSize: number): SealedEnd {
  const trailer = tail.subarray(Math.max(0, tail.length - fixedTrailerBytes));
  if (trailer.length !== fixedTrailerBytes || !trailer.subarray(fixed.magic).equals(sealedMagic)) {
    throw damaged(
      name,
      "it is not a sealed object (cut off, or written by somebody without a key?)",
    );
  }
  const [documents, structure, index] = [0, 4, 8].map((at) =>
    trailer.readUInt32LE(fixed.lengths + at),
  ) as [number, number, number];
  const headerLengths = {
    documents: trailer.readUInt16LE(fixed.lengths + 12),
    structure: trailer.readUInt16LE(fixed.lengths + 14),
  };
  const headers = headerLengths.documents + headerLengths.structure;
  const ending = index + headers + fixedTrailerBytes;
  if (documents + structure + ending !== storedSize) {
    throw damaged(name, "the lengths of its sections do not fit its size");
  }
  return { documents, structure, index, ending, trailer, headerLengths };
}

/** The keys that a reader has, and the signers that it trusts. */
export interface ReadingKeys {
  readonly identities: Readers<readonly AgeIdentity[]>;
  /** True if a signature by this key (hexadecimal) on an object of this name counts. */
  trusts(verify: string, name: string): boolean;
}

/**
 * Opens an object from its last bytes, `end.ending` of them.
 * @throws naming it, if its signature is not that of a trusted key over this repository and name
 */
export function openEnd(
  place: PlaceOf,
  end: SealedEnd,
  ending: Buffer,
  storedSize: number,
  keys: ReadingKeys,
): OpenedObject {
  const { name } = place;
  const { trailer, headerLengths } = end;
  const { index, headers } = checkSignature(place, end, ending, keys);
  const documentsHeader = headers.subarray(0, headerLengths.documents);
  const structureHeader = headers.subarray(headerLengths.documents);
  const documents = chunked(name, 0, 0, end.documents, documentsHeader, trailer, fixed.documents);
  const structure = chunked(
    name,
    documents.end,
    end.documents,
    end.structure,
    structureHeader,
    trailer,
    fixed.structure,
  );
  const indexHeader = opened(name, () => ageHeader(index));
  const indexSection: ChunkedSection = {
    start: structure.end,
    end: structure.end + contentOf(name, index.length - indexHeader.length),
    offset: end.documents + end.structure,
    length: index.length,
    header: indexHeader,
    sha256: Buffer.alloc(0),
    key: undefined,
  };
  const payload = index.subarray(indexHeader.length);
  const key = keyOf(name, indexSection, payload, keys.identities.structure);
  if (!key) throw new UnreadableSection(name, "index");
  const indexBytes = opened(name, () =>
    openChunks(key, payload.subarray(payloadNonceBytes), 0, true),
  );
  return {
    documents,
    structure,
    index: indexSection,
    size: indexSection.end,
    storedSize,
    indexBytes,
    signer: signerIn(end),
  };
}

/** The verification key by which an object says that it is signed, hexadecimal; not checked. */
export const signerIn = ({ trailer }: Pick<SealedEnd, "trailer">): string =>
  trailer.toString("hex", fixed.signer, fixed.signature);

/** Throws, naming the object, unless a trusted key has signed it for this place. Returns its index and headers. */
function checkSignature(
  place: PlaceOf,
  end: SealedEnd,
  ending: Buffer,
  keys: Pick<ReadingKeys, "trusts">,
): { index: Buffer; headers: Buffer } {
  const { name } = place;
  const { index: indexLength, trailer } = end;
  const index = ending.subarray(0, indexLength);
  const headers = ending.subarray(indexLength, ending.length - fixedTrailerBytes);
  const signer = signerIn(end);
  if (!keys.trusts(signer, name)) {
    throw damaged(name, `it is signed by a key that is not trusted with it, ${signer}`);
  }
  const message = messageOf(place, sha256Of([index]), headers, trailer);
  const signature = trailer.subarray(fixed.signature, fixed.lengths);
  if (!isSignedBy(signer, message, signature)) {
    throw damaged(name, "its signature is wrong: it is altered, or was written for another place");
  }
  return { index, headers };
}

/** Checks the signature of an object, and the digests of its sections, without any secret key. */
export function checkSealed(
  place: PlaceOf,
  stored: Buffer,
  keys: Pick<ReadingKeys, "trusts">,
): void {
  const { name } = place;
  const end = readEnd(name, stored, stored.length);
  checkSignature(place, end, stored.subarray(stored.length - end.ending), keys);
  const { documents, structure, trailer } = end;
  checkSection(name, stored.subarray(0, documents), trailer.subarray(fixed.documents));
  const ofStructure = stored.subarray(documents, documents + structure);
  checkSection(name, ofStructure, trailer.subarray(fixed.structure));
}

/** No key at hand opens a section. */
export class UnreadableSection extends Error {
  constructor(
    readonly object: string,
    readonly section: keyof Sections<unknown>,
  ) {
    super(`no key at hand opens the ${section} of ${object}`);
  }
}

function chunked(
  name: string,
  start: number,
  offset: number,
  length: number,
  header: Buffer,
  trailer: Buffer,
  at: number,
): ChunkedSection {
  const content = length === 0 ? 0 : contentOf(name, length - header.length);
  const sha256 = trailer.subarray(at, at + 32);
  return { start, end: start + content, offset, length, header, sha256, key: undefined };
}

function contentOf(name: string, payload: number): number {
  return opened(name, () => contentBytes(payload));
}

function keyOf(
  name: string,
  section: ChunkedSection,
  nonceAndMore: Buffer,
  identities: readonly AgeIdentity[],
): Buffer | undefined {
  if (section.key) return section.key;
  return opened(name, () => {
    const fileKey = fileKeyIn(section.header, identities);
    return fileKey && payloadKey(fileKey, nonceAndMore.subarray(0, payloadNonceBytes));
  });
}

/** Reads stored bytes of the object: from `start` up to `end`, exclusive. */
export type ReadStored = (start: number, end: number) => Promise<Buffer>;

/**
 * Bytes of a section, from `start` up to `end` of the object.
 * @throws UnreadableSection if no identity opens it; naming the object, if it is altered
 */
export async function readSection(
  place: PlaceOf,
  object: OpenedObject,
  which: "documents" | "structure",
  { start, end }: { start: number; end: number },
  read: ReadStored,
  keys: Pick<ReadingKeys, "identities">,
): Promise<Buffer> {
  const section = object[which];
  const payload = section.offset + section.header.length;
  const length = section.length - section.header.length;
  const range = sealedRange(start - section.start, end - section.start, length);
  // The nonce comes along, if it is not known yet and lies next to what is read.
  const nonceToo = !section.key && range.first === 0;
  const from = nonceToo ? 0 : range.start;
  const [bytes, nonce] = await Promise.all([
    read(payload + from, payload + range.end),
    section.key || nonceToo ? undefined : read(payload, payload + payloadNonceBytes),
  ]);
  const key = keyOf(place.name, section, nonce ?? bytes, keys.identities[which]);
  if (!key) throw new UnreadableSection(place.name, which);
  const sealed = bytes.subarray(range.start - from);
  const isEnd = range.end === length;
  const content = opened(place.name, () => openChunks(key, sealed, range.first, isEnd));
  // Only now: a key that is derived from a wrong nonce opens nothing.
  section.key = key;
  return content.subarray(range.skip, range.skip + end - start);
}

/** Throws, naming the object, unless the bytes of a section have the SHA-256 at the beginning of `signed`. */
export function checkSection(name: string, stored: Buffer, signed: Buffer): void {
  if (sha256Of([stored]).equals(signed.subarray(0, 32))) return;
  throw damaged(name, "its content is not what its writer signed");
}

function opened<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof AgeError) throw damaged(name, error.message, error);
    throw error;
  }
}
