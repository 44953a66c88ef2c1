/** The form of every bulk object: what a writer puts and a reader expects. docs/format.md §3.1. */

export const formatVersion = 1;

export const magic = Buffer.from("THINKBK1", "latin1");

export const skippableMagic = 0x184d2a54;

export const skippableHeaderBytes = 8;

export const trailerBytes = 48;

/**
 * Words for an object that fails its checksum: what else may be the matter if it says that it is of a later version.
 * A later version keeps what checksums cover, or has another magic; so damage is by far the likelier.
 */
export function orNewer(version: unknown): string {
  if (typeof version !== "number" || version <= formatVersion) return "";
  return `; it says that it is of format version ${version}, so it is altered, or a later Thinkback with other checksums wrote it`;
}
