/** By what a restore that is given again is known: a digest of what was asked for, with the content of the files. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Repository } from "../format/description.js";
import type { MaskFile } from "../recovery/mask-file.js";
import type { RestoreIdentity } from "../restore/tag.js";
import { readMask } from "./mask-given.js";
import type { RestoreArguments } from "./restore-arguments.js";

/** Not part of it: the instant, and the addresses of repository and target. */
export async function identityOf(
  { description }: Repository,
  args: RestoreArguments,
): Promise<RestoreIdentity> {
  const { table, db, rename, gap, key = [], between, where, tenant, tenantId } = args;
  const { allowInexact, nearest, withoutAccess, beside, mask } = args;
  const listed = key.filter((one) => one.startsWith("@")).map((one) => one.slice(1));
  const files = [...listed, ...(tenant === undefined ? [] : [tenant])];
  const texts = await Promise.all(files.map((file) => readFile(file, "latin1")));
  const asked = JSON.stringify([
    description.id,
    [table.toSorted(), db.toSorted(), rename.toSorted(), gap, key, between, where, tenantId],
    [allowInexact, nearest, withoutAccess, beside].map(Boolean),
    texts,
    mask === undefined ? null : maskDigest(readMask(mask)),
  ]);
  const restore = createHash("sha256").update(asked).digest("hex").slice(0, 32);
  return { restore, asked: args.at ?? null };
}

/** Of the rules and the key: another key gives other documents. */
function maskDigest({ key, tables }: MaskFile): string {
  const of = createHash("sha256").update(JSON.stringify(tables));
  return of.update(key ?? "").digest("hex");
}
