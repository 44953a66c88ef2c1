import type { CCtx } from "zstd-napi/binding.js";
import { zstd } from "./zstd.js";

/**
 * How much work a frame is worth. `fast` is what capture can afford, on whose path compression lies: level 1, on lines of
 * JSON 1.3 to 2.5 times as fast as level 3, with twice its table, which makes them up to a hundredth smaller. `dense` is for what a fold
 * writes, to be kept for long: it looks four times for matches of six bytes or more, which on such lines comes near to
 * level 9 in half its time; the levels between are slower and larger. docs/benchmarks.md has the figures.
 */
export type Effort = "fast" | "dense";

/** One context for all frames: compressing is synchronous, and a context of its own holds memory until it is collected. */
const contexts: Partial<Record<Effort, CCtx>> = {};

/** The most bytes that a frame of so many bytes of lines can have. */
export function frameBytesBound(bytes: number): number {
  return zstd.compressBound(bytes);
}

/** Compresses `lines` as one zstd frame, with checksum, to the begin of `into`; returns the frame's length. */
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
