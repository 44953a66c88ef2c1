/**
 * Compression in threads. It gives the same bytes as `compressHere`, but does not block the caller.
 *
 * Invariant: every promise of a frame that was returned settles. Break it and a fold waits for ever.
 */
import { availableParallelism } from "node:os";
import type { Piscina } from "piscina";
import { frameBytesBound } from "./compression.js";
import { type CompressedFrame, compressHere, type FrameCompressor } from "./frame-compressor.js";
import type { FrameDone, FrameTask } from "./frame-thread.js";
import { frameBytesTarget } from "./object-writer.js";

/** At most this many threads, because further ones would only wait for the thread that merges. */
const threadsMax = 2;
/** How many frames a thread is given at once: while it compresses one, the next is ready. */
const framesPerThread = 2;
/**
 * How many bytes of lines are compressed before threads start. That takes 0.2 s; for less, starting is not worth it.
 */
const bytesHereDefault = 16 * 1024 * 1024;
/** The size of the buffers that are kept. Frames end one line above their target; a larger buffer is not kept. */
const bufferBytes = frameBytesBound(frameBytesTarget + 128 * 1024);

/** Runs `work` with the compressor that is best on this machine, and ends its threads afterwards. */
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
  /** Frames in work, oldest first. */
  private readonly inFlight: Promise<CompressedFrame>[] = [];
  /** Buffers that the threads gave back. */
  private readonly idle: ArrayBuffer[] = [];
  /** Set once nothing is compressed any more: why. */
  private failure: Error | undefined;

  /** @param bytesHere how many bytes of lines the calling thread compresses before threads are started */
  constructor(
    private readonly count: number,
    private bytesHere = bytesHereDefault,
  ) {}

  /** Rejects with the error of the thread. */
  compress(lines: Buffer): CompressedFrame | Promise<CompressedFrame> {
    if (this.bytesHere > 0) {
      this.bytesHere -= lines.length;
      return compressHere.compress(lines);
    }
    const frame = this.compressThere(this.copyOf(lines));
    this.inFlight.push(frame);
    // The caller that awaits the frame, or room, gets the rejection.
    const forget = () => void this.inFlight.splice(this.inFlight.indexOf(frame), 1);
    frame.then(forget, forget);
    return frame;
  }

  room(): Promise<void> | undefined {
    const isFull = this.inFlight.length > this.count * framesPerThread;
    return isFull ? this.inFlight[0]!.then(() => undefined) : undefined;
  }

  /** Ends the threads. The promises of frames that are not compressed by then reject. */
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
      // The threads get none of this process's Node options, such as a port to debug it.
      execArgv: [],
    });
    // If a thread ends while it has no frame, frames that wait for it would wait for ever.
    pool.on("error", (error: Error) => {
      this.failure = error;
      void pool.destroy();
    });
    return pool;
  }
}
