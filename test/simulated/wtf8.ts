/**
 * Texts as the server has them on the wire: UTF-8, but surrogates may stand in it alone, as three bytes each. In
 * JavaScript they are surrogates without a partner.
 */

/** @throws {Error} for two surrogates that would make a pair: the server keeps them apart, a string cannot */
export function decodeWtf8(bytes: Buffer): string {
  let text = "";
  let from = 0;
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    if (bytes.readUInt8(at + 1) < 0xa0) continue;
    const before = text + bytes.toString("utf8", from, at);
    const unit =
      0xd000 | ((bytes.readUInt8(at + 1) & 0x3f) << 6) | (bytes.readUInt8(at + 2) & 0x3f);
    if (from === at && isHigh(before.charCodeAt(before.length - 1)) && unit >= 0xdc00) {
      throw new Error("a pair of surrogates, each as bytes of its own, is not simulated");
    }
    text = before + String.fromCharCode(unit);
    from = at + 3;
  }
  return text + bytes.toString("utf8", from);
}

export function encodeWtf8(text: string): Buffer {
  if (!/\p{Surrogate}/u.test(text)) return Buffer.from(text, "utf8");
  const parts = text.split(/(\p{Surrogate})/u).map((part) => {
    const unit = part.charCodeAt(0);
    if (part.length !== 1 || unit < 0xd800 || unit > 0xdfff) return Buffer.from(part, "utf8");
    return Buffer.of(0xed, 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
  });
  return Buffer.concat(parts);
}

export function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
