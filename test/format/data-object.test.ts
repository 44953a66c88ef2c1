import { randomBytes as random } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { trailerBytes } from "../../src/format/container.js";
import { type Kind, kinds } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { DataObjectWriter, type EncodedObject } from "../../src/format/object-writer.js";
import { checkWholeObject } from "../../src/format/whole-object.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { LatentStore } from "../repository/latent-store.js";
import { laterData } from "./later-version.js";

const name = "log/object.zst";
const lines = (count: number, text = "line") =>
  Buffer.from(Array.from({ length: count }, (_, i) => `{"${text}":${i}}\n`).join(""));

/** Of the kinds whose footers have to say something. */
const footers: Partial<Record<Kind, object>> = {
  segment: {
    repository: "r",
    epoch: 1,
    sequence: 1,
    from: 1,
    to: 2,
    previous: null,
    closed: false,
    frontier: 2,
    lagging: {},
    proofBoundMs: 2000,
    serverClock: null,
    clockAheadMs: 0,
    links: { catalog: null, coverage: null, checkpoint: null },
    totals: {},
    checkpoint: true,
  },
  bundle: { repository: "r", number: 1, at: 1 },
};

function encode(kind: Kind = "foldedPart"): EncodedObject {
  const writer = new DataObjectWriter(kind);
  writer.addFrame(lines(3, "a"), 3, { table: "t1", minTime: 5, maxTime: 9 });
  writer.addFrame(lines(200, "b"), 200, { table: "t2", firstKey: '"é"' });
  return writer.finish({ some: "footer", n: [1, 2], ...footers[kind] });
}

async function storeWith(bytes: Buffer): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.put(name, bytes);
  return store;
}

/** Opens an object and reads all of its frames. */
async function readAll(bytes: Buffer, kind: Kind = "foldedPart", checksum?: string) {
  const object = await DataObject.open(await storeWith(bytes), name, kind, checksum);
  const frames: Buffer[] = [];
  for (const entry of object.index.frames) frames.push(await object.readFrame(entry));
  return { object, frames };
}

async function errorOf(work: Promise<unknown>): Promise<ThinkbackError> {
  const error: unknown = await work.then(
    () => new Error("it was read without an error"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ThinkbackError);
  return error as ThinkbackError;
}

describe("a data object", () => {
  test("gives back its lines, index and footer", async () => {
    const { bytes, checksum } = encode();
    const { object, frames } = await readAll(bytes, "foldedPart", checksum);
    expect(frames).toEqual([lines(3, "a"), lines(200, "b")]);
    expect(object.index.footer).toEqual({ some: "footer", n: [1, 2] });
    expect(object.checksum).toBe(checksum);
    expect(object.storedSize).toBe(bytes.length);
    const [first, second] = object.index.frames;
    expect(first).toMatchObject({ offset: 0, rows: 3, table: "t1", minTime: 5, maxTime: 9 });
    expect(second).toMatchObject({ offset: first!.length, rows: 200, firstKey: '"é"' });
    expect(first).not.toHaveProperty("firstKey");
    expect(first!.length + second!.length).toBeLessThan(bytes.length - trailerBytes);
  });

  test("that is small is opened and read with one request", async () => {
    const latent = new LatentStore(await storeWith(encode().bytes), 1);
    const object = await DataObject.open(latent, name, "foldedPart");
    for (const entry of object.index.frames) await object.readFrame(entry);
    expect(latent.read).toEqual([name]);
  });

  test.each([
    [100_000, 4, 1 + 3],
    [2_000_000, 1, 1 + 12],
  ])(
    "with frames of %i bytes has %i of them on their way at once, and no more",
    async (length, atOnce, rounds) => {
      const frames = Array.from({ length: 12 }, () => random(length));
      const writer = new DataObjectWriter("run");
      for (const frame of frames) writer.addFrame(frame, 1);
      const latent = new LatentStore(await storeWith(writer.finish({}).bytes), 1);
      const object = await DataObject.open(latent, name, "run");
      const read: Buffer[] = [];
      for await (const bytes of object.readFrames(object.index.frames)) {
        read.push(Buffer.from(bytes));
        expect(latent.read.length).toBeLessThanOrEqual(1 + Math.min(12, read.length - 1 + atOnce));
      }
      expect(read).toHaveLength(12);
      expect(read.every((bytes, i) => bytes.equals(frames[i]!))).toBe(true);
      expect(latent.ms).toBe(rounds);
    },
  );

  test("may be without frames", async () => {
    const { bytes } = new DataObjectWriter("foldedPart").finish({ empty: true });
    const { object, frames } = await readAll(bytes);
    expect(frames).toEqual([]);
    expect(object.index.footer).toEqual({ empty: true });
  });

  test.each(Object.keys(kinds) as Kind[])("of kind %s is only that", async (kind) => {
    const { bytes } = encode(kind);
    await expect(readAll(bytes, kind)).resolves.toBeDefined();
    for (const other of Object.keys(kinds) as Kind[]) {
      if (other === kind) continue;
      const error = await errorOf(readAll(bytes, other));
      expect(error).toMatchObject({ code: "damaged" });
      expect(error.message).toBe(`object ${name} is damaged: it is not of kind ${other}`);
    }
  });

  test("is refused if it is not the one that its reference names", async () => {
    const other = new DataObjectWriter("foldedPart").finish({});
    const error = await errorOf(readAll(encode().bytes, "foldedPart", other.checksum));
    expect(error.code).toBe("damaged");
    expect(error.message).toContain(`${name} is damaged: it is not the object that its reference`);
  });

  test("that is missing, or goes while it is read, is damage", async () => {
    const store = new MemoryStore();
    expect(await errorOf(DataObject.open(store, name, "foldedPart"))).toMatchObject({
      code: "damaged",
      message: `object ${name} is damaged: it is missing`,
    });
    const writer = new DataObjectWriter("foldedPart");
    // Not compressible, so that it does not come whole with the tail.
    const bulk = Buffer.from(`${Buffer.from(randomBytes(200_000)).toString("hex")}\n`);
    writer.addFrame(bulk, 1);
    await store.put(name, writer.finish({}).bytes);
    const object = await DataObject.open(store, name, "foldedPart");
    await store.delete(name);
    expect(await errorOf(object.readFrame(object.index.frames[0]!))).toMatchObject({
      code: "damaged",
      message: `object ${name} is damaged: it is missing`,
    });
  });

  test("larger than what is read at once is read by ranges, with an index larger than that", async () => {
    const writer = new DataObjectWriter("basePart");
    const frames = Array.from({ length: 1000 }, (_, i) => lines(20, `frame${i}`));
    for (const [i, frame] of frames.entries()) writer.addFrame(frame, 20, { firstKey: `"${i}"` });
    const { bytes } = writer.finish({});
    expect(bytes.readUInt32LE(bytes.length - trailerBytes)).toBeGreaterThan(64 * 1024);
    const read = await readAll(bytes, "basePart");
    expect(read.frames).toEqual(frames);
    const error = await errorOf(readAll(flipped(bytes, 100), "basePart"));
    expect(error.message).toContain("fails its checksum");
    const inIndex = bytes.length - trailerBytes - 80_000;
    expect((await errorOf(readAll(flipped(bytes, inIndex), "basePart"))).code).toBe("damaged");
  });
});

function randomBytes(count: number): number[] {
  let state = 12345;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state >> 16;
  });
}

function flipped(bytes: Buffer, at: number, mask = 0x01): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = copy[at]! ^ mask;
  return copy;
}

describe("a damaged data object is told", () => {
  const { bytes } = encode();

  test("truncated at any byte", async () => {
    for (let length = 0; length < bytes.length; length += 1) {
      const error = await errorOf(readAll(bytes.subarray(0, length)));
      expect(error.code, `length ${length}`).toBe("damaged");
      expect(error.message).toContain(`object ${name} is damaged: `);
    }
  });

  test("with one byte too many, at either end or between", async () => {
    for (const at of [0, 10, bytes.length - trailerBytes, bytes.length]) {
      const longer = Buffer.concat([bytes.subarray(0, at), Buffer.of(0x20), bytes.subarray(at)]);
      expect((await errorOf(readAll(longer))).code).toBe("damaged");
    }
  });

  test.each([0x01, 0x80, 0xff])("with any one byte flipped (xor %i)", async (mask) => {
    for (let at = 0; at < bytes.length; at += 1) {
      const error = await errorOf(readAll(flipped(bytes, at, mask)));
      expect(error.code, `byte ${at}: ${error.message}`).toBe("damaged");
      // What copies are checked by finds the same.
      const whole = () => checkWholeObject(name, flipped(bytes, at, mask));
      expect(whole, `byte ${at}`).toThrow(/is damaged/);
      expect(error.message).toContain(name);
    }
  });

  test("of a newer version, with the advice to use a newer Thinkback", async () => {
    const newer = laterData(bytes);
    checkWholeObject(name, newer);
    const error = await errorOf(readAll(newer));
    expect(error).toMatchObject({
      code: "repository",
      message: `${name} is of format version 2; this Thinkback reads up to 1`,
    });
    expect(error.hint).toContain("later");
  });

  test("of which only the version was altered, with both possibilities", async () => {
    const altered = Buffer.from(bytes);
    altered.writeUInt16LE(3, bytes.length - trailerBytes + 4);
    expect(await errorOf(readAll(altered))).toMatchObject({
      code: "damaged",
      message: expect.stringMatching(/fails its checksum; it says .* version 3, so .* or a later/),
    });
  });

  test("with frames of equal length exchanged", async () => {
    const writer = new DataObjectWriter("foldedPart");
    writer.addFrame(lines(1, "a"), 1);
    writer.addFrame(lines(1, "b"), 1);
    const object = writer.finish({}).bytes;
    const index = (await readAll(object)).object.index;
    const [a, b] = index.frames.map(({ offset, length }) =>
      object.subarray(offset, offset + length),
    );
    expect(a!.length).toBe(b!.length);
    const rest = object.subarray(2 * a!.length);
    const error = await errorOf(readAll(Buffer.concat([b!, a!, rest])));
    expect(error.message).toBe(`object ${name} is damaged: the frame at byte 0 fails its checksum`);
  });

  test.each([
    "null",
    "[]",
    "{}",
    '{"frames":[]}',
    '{"frames":{},"footer":{}}',
    '{"frames":[null],"footer":{}}',
    '{"frames":[{"offset":0,"length":-1,"size":1,"rows":1,"checksum":""}],"footer":{}}',
    '{"frames":[{"offset":0,"length":0,"size":1e300,"rows":1,"checksum":""}],"footer":{}}',
    '{"frames":[{"offset":0,"length":0,"size":4e9,"rows":1,"checksum":""}],"footer":{}}',
    '{"frames":[{"offset":0,"length":0,"size":1,"rows":1,"checksum":5}],"footer":{}}',
    '{"frames":[{"offset":0,"length":5,"size":1,"rows":1,"checksum":""}],"footer":{}}',
    '{"frames":[',
  ])("with a sealed index that is none: %s", async (index) => {
    expect((await errorOf(readAll(sealed(index)))).code).toBe("damaged");
  });
});

/** An object without frames whose index is `index`, with a checksum that is right. */
function sealed(index: string): Buffer {
  const writer = new DataObjectWriter("foldedPart");
  const stringify = JSON.stringify;
  try {
    JSON.stringify = () => index;
    return writer.finish({}).bytes;
  } finally {
    JSON.stringify = stringify;
  }
}
