/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time by eight tables (Kounavis and Berry, 2005). An
 * upload of megabytes must not stop everything else, as a loop over single bytes would.
 */

const polynomial = 0x82f63b78;

/** `tables[k][b]` is the remainder of the byte b with k zero bytes behind it. */
const tables = Array.from({ length: 8 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte += 1) {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ polynomial : rest >>> 1;
  tables[0]![byte] = rest;
}
for (let k = 1; k < 8; k += 1) {
  for (let byte = 0; byte < 256; byte += 1) {
    const before = tables[k - 1]![byte]!;
    tables[k]![byte] = (before >>> 8) ^ tables[0]![before & 0xff]!;
  }
}
const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** The checksum of some bytes, between 0 and 2^32 - 1. */
export function crc32c(bytes: Uint8Array): number {
  let rest = -1;
  let at = 0;
  const inEights = bytes.length - (bytes.length % 8);
  while (at < inEights) {
    const low =
      rest ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    rest =
      t7[low & 0xff]! ^
      t6[(low >>> 8) & 0xff]! ^
      t5[(low >>> 16) & 0xff]! ^
      t4[low >>> 24]! ^
      t3[bytes[at + 4]!]! ^
      t2[bytes[at + 5]!]! ^
      t1[bytes[at + 6]!]! ^
      t0[bytes[at + 7]!]!;
    at += 8;
  }
  for (; at < bytes.length; at += 1) rest = (rest >>> 8) ^ t0[(rest ^ bytes[at]!) & 0xff]!;
  return ~rest >>> 0;
}

/** The checksum as Google Cloud Storage writes it: base64 of its four bytes, the highest first. */
export function crc32cBase64(bytes: Uint8Array): string {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(crc32c(bytes));
  return four.toString("base64");
}
