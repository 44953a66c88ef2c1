import zstd from "zstd-napi/binding.js";

/**
 * The level of every frame. On lines of JSON 1 is 1.3 to 2.5 times as fast as 3, at a ratio that is better as often as
 * worse: documents of one table repeat long texts. Lower levels are not faster. docs/benchmarks.md has the figures.
 */
const level = 1;

/** One context for all frames: compressing is synchronous, and a context of its own holds memory until it is collected. */
let context: zstd.CCtx | undefined;

/** The most bytes that a frame of so many bytes of lines can have. */
export function frameBytesBound(bytes: number): number {
  return zstd.compressBound(bytes);
}

/** Compresses `lines` as one zstd frame, with checksum, to the begin of `into`; returns the frame's length. */
export function compressFrame(lines: Buffer, into: Buffer): number {
  if (!context) {
    context = new zstd.CCtx();
    context.setParameter(zstd.CParameter.compressionLevel, level);
    context.setParameter(zstd.CParameter.checksumFlag, 1);
  }
  return context.compress2(into, lines);
}
