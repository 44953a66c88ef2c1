/** Bytes on their way out: collected into chunks, so that no stream is asked for each small piece. */

const chunkBytes = 64 * 1024;

/** The same bytes in chunks of at least 64 KiB, but for the last one. */
export async function* inChunks(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    // A piece is valid only until the next one is taken.
    held.push(Buffer.from(piece));
    bytes += piece.length;
    if (bytes < chunkBytes) continue;
    yield Buffer.concat(held);
    held = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(held);
}

/** The bytes, if they are at most `bytesMax`; else only how many they are. Memory is bounded either way. */
export async function measured(
  chunks: AsyncIterable<Buffer>,
  bytesMax: number,
): Promise<{ bytes: number; whole: Buffer | undefined }> {
  const held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes <= bytesMax) held.push(chunk);
    else held.length = 0;
  }
  return { bytes, whole: bytes <= bytesMax ? Buffer.concat(held) : undefined };
}
