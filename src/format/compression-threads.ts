/**
 * Compressing in threads. The bytes are those of `compressHere`; only who waits for them differs.
 *
 * Invariant: every promise of a frame that was handed out settles. Break it and a fold waits for ever.
 */
import { availableParallelism } from "node:os";
import type { Piscina } from "piscina";
import { frameBytesBound } from "./compression.js";
import { frameBytesTarget } from "./data-object.js";
import { type CompressedFrame, compressHere, type FrameCompressor } from "./frame-compressor.js";
import type { FrameDone, FrameTask } from "./frame-thread.js";

/** More would wait for the thread that merges. */
const threadsMax = 2;
/** Frames that a thread is given at once: while one is compressed, the next lies ready. */
const framesPerThread = 2;
/** Until so many bytes of lines were compressed, which takes 0.2 s, no thread is worth its start. */
const bytesHereDefault = 16 * 1024 * 1024;
/** Frames are closed a line above their target. A buffer that had to be larger, for a long line, is not kept. */
const bufferBytes = frameBytesBound(frameBytesTarget + 128 * 1024);

/** Gives `work` what compresses best on this machine, and ends the threads with it. */
export async function withThreads<T>(work: (frames: FrameCompressor) => Promise<T>): Promise<T> {
  const count = Math.min(availableParallelism() - 1, threadsMax);
  if (count < 1) return work(compressHere);
  const threads = new CompressionThreads(count);
  try {
    return await work(threads);
  } finally {
    await threads.end();
  }
}

export class CompressionThreads implements FrameCompressor {
  private pool: Promise<Piscina> | undefined;
  /** Oldest first. */
  private readonly inFlight: Promise<CompressedFrame>[] = [];
  /** Buffers that came back. */
  private readonly idle: ArrayBuffer[] = [];
  /** Why nothing is compressed any more. */
  private failure: Error | undefined;

  /** @param bytesHere so many bytes of lines are compressed at once, before a thread is started */
  constructor(
    private readonly count: number,
    private bytesHere = bytesHereDefault,
  ) {}

  /** Rejects with what went wrong in the thread. */
  compress(lines: Buffer): CompressedFrame | Promise<CompressedFrame> {
    if (this.bytesHere > 0) {
      this.bytesHere -= lines.length;
      return compressHere.compress(lines);
    }
    const frame = this.compressThere(this.copyOf(lines));
    this.inFlight.push(frame);
    // Whoever awaits the frame, or room, gets the rejection.
    const forget = () => void this.inFlight.splice(this.inFlight.indexOf(frame), 1);
    frame.then(forget, forget);
    return frame;
  }

  room(): Promise<void> | undefined {
    const isFull = this.inFlight.length > this.count * framesPerThread;
    return isFull ? this.inFlight[0]!.then(() => undefined) : undefined;
  }

  /** Ends the threads. Frames that they have not compressed by then are rejected. */
  async end(): Promise<void> {
    this.failure ??= new Error("the compression has ended");
    await (await this.pool)?.destroy();
  }

  private copyOf(lines: Buffer): FrameTask {
    const bytesMax = frameBytesBound(lines.length);
    const kept = bytesMax <= bufferBytes ? this.idle.pop() : undefined;
    const buffer = kept ?? new ArrayBuffer(Math.max(bytesMax, bufferBytes));
    new Uint8Array(buffer).set(lines);
    return { buffer, length: lines.length };
  }

  private async compressThere(task: FrameTask): Promise<CompressedFrame> {
    if (!this.failure) this.pool ??= this.start();
    const pool = await this.pool;
    if (!pool || this.failure) throw this.failure;
    const done: FrameDone = await pool.run(task, { transferList: [task.buffer] });
    const { buffer, length, checksum } = done;
    const bytes = Buffer.from(new Uint8Array(buffer, 0, length));
    if (buffer.byteLength === bufferBytes) this.idle.push(buffer);
    return { bytes, checksum };
  }

  private async start(): Promise<Piscina> {
    const { Piscina } = await import("piscina");
    const pool = new Piscina({
      filename: new URL("./frame-thread.js", import.meta.url).href,
      minThreads: this.count,
      maxThreads: this.count,
      concurrentTasksPerWorker: framesPerThread,
      idleTimeout: Infinity,
      recordTiming: false,
      // None of what this process was started with, such as a port to debug it.
      execArgv: [],
    });
    // A thread that ends without a frame at hand: those that wait for it would wait for ever.
    pool.on("error", (error: Error) => {
      this.failure = error;
      void pool.destroy();
    });
    return pool;
  }
}
