import type { CCtx } from "zstd-napi/binding.js";
import { zstd } from "./zstd.js";

/**
 * How much work compression spends on a frame; docs/benchmarks.md has the figures.
 *
 * `fast` is for capture, which waits for compression. It is level 1, on lines of JSON 1.3 to 2.5 times as fast as level
 * 3, with twice level 1's hash table, which makes frames up to 1 % smaller. `dense` is for what a fold writes, which is
 * kept for long. It searches four times for matches of at least six bytes. On such lines that comes close to level 9 in
 * half its time; the levels between are slower and give larger frames.
 */
export type Effort = "fast" | "dense";

/** One context per effort for all frames: compression is synchronous, and each context holds memory until collected. */
const contexts: Partial<Record<Effort, CCtx>> = {};

/** The largest possible size, in bytes, of the frame of this many bytes of lines. */
export function frameBytesBound(bytes: number): number {
  return zstd.compressBound(bytes);
}

/** Compresses `lines` as one zstd frame with checksum, to the start of `into`; returns the frame's length. */
export function compressFrame(lines: Buffer, into: Buffer, effort: Effort): number {
  contexts[effort] ??= makeContext(effort);
  return contexts[effort].compress2(into, lines);
}

const { CParameter, Strategy } = zstd;

function makeContext(effort: Effort): CCtx {
  const context = new zstd.CCtx();
  context.setParameter(CParameter.checksumFlag, 1);
  context.setParameter(CParameter.compressionLevel, effort === "fast" ? 1 : 3);
  if (effort === "fast") {
    context.setParameter(CParameter.hashLog, 15);
  } else {
    context.setParameter(CParameter.strategy, Strategy.lazy);
    context.setParameter(CParameter.searchLog, 2);
    context.setParameter(CParameter.minMatch, 6);
    context.setParameter(CParameter.hashLog, 18);
    context.setParameter(CParameter.chainLog, 18);
  }
  return context;
}
