/** Of the build: a thread is started from a file of dist/. */
import { cp, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { sha256 } from "../../src/digest.js";
import type * as Threads from "../../src/format/compression-threads.js";
import { DataObject } from "../../src/format/data-object.js";
import { DenseObjectWriter } from "../../src/format/dense-object-writer.js";
import {
  type CompressedFrame,
  compressHere,
  type FrameCompressor,
} from "../../src/format/frame-compressor.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { seededRandom } from "../endtoend/workload.js";

const root = resolve(import.meta.dirname, "../..");

async function threadsOf(directory: string): Promise<typeof Threads> {
  const file = join(directory, "dist/format/compression-threads.js");
  return (await import(pathToFileURL(file).href)) as typeof Threads;
}

const { CompressionThreads, withThreads } = await threadsOf(root);

/** Lines of about so many bytes that cannot be foretold, and so are not compressed to nothing. */
function linesOf(bytes: number, seed: number): Buffer {
  const random = seededRandom(seed);
  let text = "";
  while (text.length < bytes) text += `{"k":${Math.floor(random() * 1e9)},"v":"${random()}"}\n`;
  return Buffer.from(text);
}

/** What can be compared, and printed, in no time. */
const said = ({ bytes, checksum }: CompressedFrame) => ({
  checksum,
  length: bytes.length,
  sum: sha256(bytes),
});

/** What the frames, or objects, are in the end. */
async function saidOf(all: (CompressedFrame | Promise<CompressedFrame>)[]) {
  return (await Promise.all(all.map((one) => Promise.resolve(one)))).map(said);
}

const saidHere = (all: Buffer[]) => saidOf(all.map((lines) => compressHere.compress(lines)));

const open: InstanceType<typeof CompressionThreads>[] = [];

function threads(count = 2, bytesHere = 0) {
  const made = new CompressionThreads(count, bytesHere);
  open.push(made);
  return made;
}

/** Threads that run in this process. */
function workers(): number {
  return (process.report.getReport() as { workers: unknown[] }).workers.length;
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.end();
});

describe("compression threads", () => {
  test("give the bytes and checksums that compressing here gives, frame by frame", async () => {
    const all = [1, 40_000, 1_100_000, 5, 300_000, 3_000_000, 700_000].map(linesOf);
    const compressor = threads();
    const frames = all.map((lines) => compressor.compress(lines));
    expect(await saidOf(frames)).toEqual(await saidHere(all));
  });

  test("have taken the lines when they return: they may be overwritten", async () => {
    const compressor = threads();
    const lines = linesOf(900_000, 1);
    const wanted = [];
    const given = [];
    for (let i = 0; i < 12; i += 1) {
      lines.fill(0x61 + i, 0, 1000);
      wanted.push(Buffer.from(lines));
      given.push(compressor.compress(lines));
      await compressor.room();
    }
    expect(await saidOf(given)).toEqual(await saidHere(wanted));
  });

  test("write the objects that a writer writes here, and those are whole", async () => {
    const pieces = [800_000, 20, 1_000_000, 1_000_000, 30_000].map(linesOf);
    const objectsOf = async (writer: DenseObjectWriter | DataObjectWriter) => {
      const objects = [];
      for (const of of [pieces, [], pieces.slice(1, 3)]) {
        for (const [i, lines] of of.entries()) {
          writer.addFrame(lines, i + 1, { minTime: i });
          if (i === 2) writer.precede();
        }
        objects.push(writer.finish({ some: "footer" }));
      }
      return Promise.all(objects.map((one) => Promise.resolve(one)));
    };
    const objects = await objectsOf(new DenseObjectWriter("foldedPart", threads()));
    for (const here of [
      new DenseObjectWriter("foldedPart", compressHere),
      new DataObjectWriter("foldedPart", "dense"),
    ]) {
      expect(objects.map(said)).toEqual((await objectsOf(here)).map(said));
    }
    const store = new MemoryStore();
    await store.put("folded/x.zst", objects[0]!.bytes);
    const object = await DataObject.open(store, "folded/x.zst", "foldedPart", objects[0]!.checksum);
    const read = [];
    for (const frame of object.index.frames) read.push(await object.readFrame(frame));
    const inOrder = [...pieces.slice(3), ...pieces.slice(0, 3)];
    expect(read.map(({ length }) => length)).toEqual(inOrder.map(({ length }) => length));
    expect(Buffer.concat(read).equals(Buffer.concat(inOrder))).toBe(true);
  });

  test("are not started when all has ended", async () => {
    const compressor = threads();
    await compressor.end();
    await expect(compressor.compress(linesOf(10, 1))).rejects.toThrow("has ended");
    expect(workers()).toBe(0);
  });

  test("have room for a few frames, and again when those are done", async () => {
    const compressor = threads(1);
    const lines = linesOf(1_000_000, 1);
    const frames = [];
    while (!compressor.room()) {
      frames.push(compressor.compress(lines));
      expect(frames.length).toBeLessThan(10);
    }
    expect(frames.length).toBeGreaterThan(1);
    await compressor.room();
    expect(compressor.room()).toBeUndefined();
    await saidOf(frames);
  });

  test("are not started for a few lines, and end", async () => {
    const compressor = threads(2, 100_000);
    const small = linesOf(60_000, 1);
    expect(compressor.compress(small)).not.toBeInstanceOf(Promise);
    expect(compressor.compress(small)).not.toBeInstanceOf(Promise);
    expect(workers()).toBe(0);
    const third = compressor.compress(small);
    expect(third).toBeInstanceOf(Promise);
    await third;
    expect(workers()).toBe(2);
    await compressor.end();
    await expect.poll(workers).toBe(0);
  });

  test("reject what they have not done when they end", async () => {
    const compressor = threads(1);
    const frames = Array.from({ length: 6 }, () => compressor.compress(linesOf(1_000_000, 1)));
    const settled = Promise.allSettled(frames.map((one) => Promise.resolve(one)));
    await frames[0];
    await compressor.end();
    expect((await settled).at(-1)!.status).toBe("rejected");
    await expect(compressor.compress(linesOf(10, 1))).rejects.toThrow();
  });
});

describe("an error in a thread reaches whoever awaits the frame, room or the object, if it", () => {
  const scratch: string[] = [];

  afterEach(async () => {
    for (const one of scratch.splice(0)) await rm(one, { recursive: true });
  });

  /** The build, but for what its threads run. */
  async function withThread(text: string): Promise<typeof Threads> {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-threads-"));
    scratch.push(directory);
    for (const name of ["dist", "src", "package.json"]) {
      await cp(join(root, name), join(directory, name), { recursive: true });
    }
    await symlink(join(root, "node_modules"), join(directory, "node_modules"));
    await writeFile(join(directory, "dist/format/frame-thread.js"), text);
    return threadsOf(directory);
  }

  test.each([
    ["throws", 'export default () => { throw new Error("planted"); };', "planted"],
    ["cannot be loaded", 'throw new Error("planted");', "planted"],
    ["ends the thread", "export default () => process.exit(3);", "exited with code: 3"],
  ])("%s", async (_, text, message) => {
    const failing = new (await withThread(text)).CompressionThreads(1, 0);
    open.push(failing);
    const writer = new DenseObjectWriter("foldedPart", failing);
    const lines = linesOf(100_000, 1);
    for (let i = 0; i < 6; i += 1) writer.addFrame(lines, 1);
    await expect(failing.room()).rejects.toThrow(message);
    await expect(writer.finish({})).rejects.toThrow(message);
  });
});

test("withThreads ends its threads when the work ends, and when it fails", async () => {
  const lines = linesOf(6_000_000, 1);
  const work = async (compressor: FrameCompressor) => {
    return saidOf([1, 2, 3, 4].map(() => compressor.compress(lines)));
  };
  const frames = await withThreads(work);
  expect(new Set(frames.map(({ sum }) => sum)).size).toBe(1);
  await expect.poll(workers).toBe(0);
  const failing = withThreads(async (compressor) => {
    await work(compressor);
    throw new Error("of the work");
  });
  await expect(failing).rejects.toThrow("of the work");
  await expect.poll(workers).toBe(0);
});
