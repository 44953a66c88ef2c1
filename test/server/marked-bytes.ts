/** The bytes of a text in which each `<hex>` stands for bytes of its own: for what is not UTF-8. */
export function markedBytes(text: string): Buffer {
  const bytes = Buffer.from(text)
    .toString("latin1")
    .replace(/<((?:[0-9a-f]{2})+)>/g, (_, hex: string) =>
      Buffer.from(hex, "hex").toString("latin1"),
    );
  return Buffer.from(bytes, "latin1");
}
