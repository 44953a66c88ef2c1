/**
 * The signature of a report: a file that names the other files by their SHA-256, and ends with an Ed25519 signature of
 * all its bytes before `,"signature":`. So it is checked by hand as the checksums of stored objects are.
 */
import * as v from "valibot";
import { sha256 } from "../digest.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { type Identity, isSignedBy, signatureBy } from "../sealing/identity.js";
import type { EvidenceReport } from "./report.js";

export const signatureFile = "signature.json";

const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));

const signature = v.object({
  thinkback: v.literal("evidenceSignature"),
  version: v.literal(1),
  repository: v.string(),
  from: v.string(),
  to: v.string(),
  made: v.string(),
  /** The key that signed; and of a sealed repository its name there, and the key set that has it. */
  by: v.object({
    verify: hex(64),
    name: v.nullable(v.string()),
    keySet: v.nullable(v.number()),
  }),
  /** By name: the SHA-256 of each file. */
  files: v.record(v.pipe(v.string(), v.regex(/^[a-z.]+$/)), hex(64)),
  signature: hex(128),
});
export type EvidenceSignature = v.InferOutput<typeof signature>;

export interface Signer {
  identity: Identity;
  name: string | null;
  keySet: number | null;
}

const suffixBytes = `,"signature":"${"0".repeat(128)}"}\n`.length;

/** The content of the file that signs the others. */
export function signedBy(
  { identity, name, keySet }: Signer,
  { repository, from, to, made }: Pick<EvidenceReport, "repository" | "from" | "to" | "made">,
  files: ReadonlyMap<string, Buffer>,
): Buffer {
  const content = {
    thinkback: "evidenceSignature",
    version: 1,
    repository,
    from: formatInstant(from),
    to: formatInstant(to),
    made: formatInstant(made),
    by: { verify: identity.public.verify, name, keySet },
    files: Object.fromEntries([...files].map(([file, bytes]) => [file, sha256(bytes)])),
  };
  const body = JSON.stringify(content).slice(0, -1);
  const signed = signatureBy(identity, Buffer.from(body)).toString("hex");
  return Buffer.from(`${body},"signature":"${signed}"}\n`);
}

/**
 * What a signature file says, if its signature is right.
 * @throws {ThinkbackError} `damaged` if it is altered, or none
 */
export function checkedSignature(bytes: Buffer, file: string): EvidenceSignature {
  let content: EvidenceSignature;
  try {
    content = v.parse(signature, JSON.parse(bytes.toString()));
  } catch (error) {
    throw wrong(`${file} is not the signature of a report: ${messageOf(error)}`);
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - suffixBytes));
  const isWhole =
    bytes.subarray(body.length).toString() === `,"signature":"${content.signature}"}\n`;
  if (isWhole && isSignedBy(content.by.verify, body, Buffer.from(content.signature, "hex"))) {
    return content;
  }
  throw wrong(`${file} was altered: its signature is not that of the key that it names`);
}

/** Throws, with code "damaged", unless the file is the one that was signed. */
export function expectSigned({ files }: EvidenceSignature, file: string, bytes: Buffer): void {
  const expected = Object.hasOwn(files, file) ? files[file] : undefined;
  if (expected === undefined) throw wrong(`${file} is not one of the files that were signed`);
  if (sha256(bytes) !== expected) throw wrong(`${file} was altered after it was signed`);
}

function wrong(message: string): ThinkbackError {
  return new ThinkbackError("damaged", message, {
    hint: "ask whoever made the report for it again, or make it anew with `thinkback evidence`",
  });
}
