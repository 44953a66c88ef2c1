import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  baseKeysName,
  baseManifestName,
  basePartName,
  basePrefix,
  parseManifestName,
  parseSegmentName,
  parseWriterName,
  segmentName,
  writerName,
} from "../../src/format/names.js";
import { isName } from "../../src/storage/object-store.js";

const epoch = fc.integer({ min: 1, max: 99_999_999 });
const instant = fc.integer({ min: 0, max: 999_999_999_999_999 });
const sequence = fc.integer({ min: 1, max: 9_999_999_999 });
const segment = fc.record({
  epoch,
  from: instant,
  length: fc.integer({ min: 0, max: 1e6 }),
  sequence,
});
const uuid = fc.uuid();

const nameOf = (s: { epoch: number; from: number; length: number; sequence: number }) =>
  segmentName(s.epoch, s.from, Math.min(s.from + s.length, 999_999_999_999_999), s.sequence);

describe("names of segments", () => {
  test("are read back as what they say", () => {
    fc.assert(
      fc.property(segment, (s) => {
        const to = Math.min(s.from + s.length, 999_999_999_999_999);
        const name = nameOf(s);
        expect(isName(name)).toBe(true);
        expect(parseSegmentName(name)).toEqual({
          name,
          epoch: s.epoch,
          from: s.from,
          to,
          sequence: s.sequence,
        });
      }),
    );
  });

  test("sort by epoch, then by time", () => {
    fc.assert(
      fc.property(segment, segment, (a, b) => {
        const order = a.epoch - b.epoch || a.from - b.from;
        fc.pre(order !== 0);
        expect(nameOf(a) < nameOf(b)).toBe(order < 0);
      }),
    );
  });

  test.each([
    "log/1/2-3-4.zst",
    "log/00000001/000000000000001-000000000000002-0000000003.zst.tmp",
    "log/00000001/000000000000001-000000000000002-0000000003.ZST",
    "xlog/00000001/000000000000001-000000000000002-0000000003.zst",
    "log/00000001/-00000000000001-000000000000002-0000000003.zst",
    "log/00000001/",
    "",
  ])("are not %j", (name) => {
    expect(parseSegmentName(name)).toBeUndefined();
  });
});

describe("names of claims", () => {
  test("are read back, and sort by epoch", () => {
    fc.assert(
      fc.property(epoch, epoch, (a, b) => {
        expect(parseWriterName(writerName(a))).toBe(a);
        expect(isName(writerName(a))).toBe(true);
        expect(writerName(a) < writerName(b)).toBe(a < b);
      }),
    );
  });

  test.each(["writers/1.json", "writers/00000001.json.bak", "writers/00000001", "00000001.json"])(
    "are not %j",
    (name) => {
      expect(parseWriterName(name)).toBeUndefined();
    },
  );
});

describe("names of bases", () => {
  const unique = fc.constantFrom("f", "1", "2k", "zz9");

  test("are read back as table and instant, and sort by time within a table", () => {
    fc.assert(
      fc.property(uuid, instant, instant, unique, (table, a, b, of) => {
        const name = baseManifestName(basePrefix(table, a, of));
        expect(isName(name)).toBe(true);
        expect(parseManifestName(name)).toMatchObject({ name, table, instant: a });
        fc.pre(a !== b);
        expect(name < baseManifestName(basePrefix(table, b, of))).toBe(a < b);
      }),
    );
  });

  test("of parts and sidecars are no manifests, and sort by number", () => {
    const prefix = basePrefix("0a000000-0000-4000-8000-000000000001", 5, "f");
    expect(parseManifestName(basePartName(prefix, 1))).toBeUndefined();
    expect(parseManifestName(baseKeysName(prefix, 1))).toBeUndefined();
    expect(parseManifestName(`${baseManifestName(prefix)}.old`)).toBeUndefined();
    expect(basePartName(prefix, 9) < basePartName(prefix, 10)).toBe(true);
    expect(basePartName(prefix, 99_999) < basePartName(prefix, 100_000)).toBe(true);
  });
});
