import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeVersionLine } from "../../src/format/lines.js";
import { isLater, mergeLatest, SortedCursor, type SortedFrame } from "../../src/format/merge.js";
import { orderCode } from "../../src/key-order.js";
import { json } from "../repository/recording.js";

interface Given {
  key: unknown;
  time: number;
  sequence: number;
  document: unknown;
}

const keys = [0, 1, -1, "a", "é", "\uFFFD", "\u{1F600}", true, false, ["a"], ["a", 1], '"'];
const codeOf = (key: unknown) => orderCode(json(key));

/** Few keys and times, so that inputs meet. Sequence numbers are unique, as a log's are. */
const inputs = fc
  .array(
    fc.array(
      fc.record({
        key: fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(...keys) },
          { weight: 1, arbitrary: fc.integer({ min: 0, max: 400 }) },
        ),
        time: fc.integer({ min: 0, max: 3 }),
        isDelete: fc.boolean(),
      }),
      { maxLength: 40 },
    ),
    { maxLength: 9 },
  )
  .map((lists) => {
    let sequence = 0;
    return lists.map((list) =>
      list.map(({ key, time, isDelete }): Given => {
        sequence += 1;
        return { key, time, sequence, document: isDelete ? null : { key, sequence } };
      }),
    );
  });

function line({ key, time, sequence, document }: Given): Buffer {
  const into = Buffer.alloc(1024);
  const bytes = document === null ? null : json(document);
  return into.subarray(0, writeVersionLine(into, 0, json(key), time, sequence, bytes));
}

const inOrder = (a: Given, b: Given) => {
  const [x, y] = [codeOf(a.key), codeOf(b.key)];
  return x < y ? -1 : x > y ? 1 : a.time - b.time || a.sequence - b.sequence;
};

/** An input in the order of keys, then of capture, cut into frames of `rows` lines each, some of them empty. */
async function* frames(input: Given[], rows: number): AsyncGenerator<SortedFrame> {
  const sorted = input.toSorted(inOrder);
  yield { lines: Buffer.alloc(0), object: "empty" };
  for (let at = 0; at < sorted.length; at += rows) {
    yield { lines: Buffer.concat(sorted.slice(at, at + rows).map(line)), object: "part" };
    yield { lines: Buffer.alloc(0), object: "empty" };
  }
}

async function merged(cursors: SortedCursor[]) {
  const winners: { key: string; sequence: number; document: unknown }[] = [];
  const batches: number[] = [];
  for await (const batch of mergeLatest(cursors)) {
    batches.push(batch.length);
    for (const { code, version } of batch) {
      expect(code).toBe(orderCode(version.key));
      const { key, sequence, document } = version;
      winners.push({
        key: key.toString(),
        sequence,
        document: document && (JSON.parse(document.toString()) as unknown),
      });
    }
  }
  return { winners, batches };
}

describe("mergeLatest", () => {
  test("gives of each key the last version, deletes included, in key order", async () => {
    await fc.assert(
      fc.asyncProperty(inputs, fc.integer({ min: 1, max: 7 }), async (lists, rows) => {
        const last = new Map<string, Given>();
        for (const given of lists.flat()) {
          const known = last.get(codeOf(given.key));
          const isNewer =
            !known ||
            given.time > known.time ||
            (given.time === known.time && given.sequence > known.sequence);
          if (isNewer) last.set(codeOf(given.key), given);
        }
        const expected = [...last.entries()]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, { key, sequence, document }]) => ({
            key: JSON.stringify(key),
            sequence,
            document,
          }));
        const { winners } = await merged(
          lists.map((input) => new SortedCursor(frames(input, rows))),
        );
        expect(winners).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("hands on bounded batches, none empty, and loses nothing between them", async () => {
    const input = Array.from(
      { length: 1000 },
      (_, i): Given => ({ key: i, time: i, sequence: i, document: { i } }),
    );
    const half = input.map((given) => ({ ...given, time: given.time + 1, document: null }));
    const cursors = [
      new SortedCursor(frames(input, 100)),
      new SortedCursor(frames(half.slice(500), 3)),
    ];
    const { winners, batches } = await merged(cursors);
    expect(winners.map(({ key }) => key)).toEqual(input.map(({ key }) => String(key)));
    expect(winners.filter(({ document }) => document === null)).toHaveLength(500);
    expect(Math.max(...batches)).toBeLessThanOrEqual(257);
    expect(Math.min(...batches)).toBeGreaterThan(0);
  });

  test("of nothing is nothing", async () => {
    expect((await merged([])).winners).toEqual([]);
    expect((await merged([new SortedCursor(frames([], 1))])).winners).toEqual([]);
  });

  const bad = async (lines: Buffer) => {
    async function* one(): AsyncGenerator<SortedFrame> {
      yield { lines, object: "bases/x/part" };
    }
    await merged([new SortedCursor(one())]);
  };

  test("refuses lines that are not in order, naming the object", async () => {
    const given = (key: unknown) => line({ key, time: 1, sequence: 1, document: {} });
    await expect(bad(Buffer.concat([given("b"), given("a")]))).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringMatching(/object bases\/x\/part .* is out of order/) as string,
    });
  });

  test.each([
    '{"k":{"a":1},"t":1,"n":1,"d":{}}\n',
    '{"k":null,"t":1,"n":1,"d":{}}\n',
    '{"k":"\\x","t":1,"n":1,"d":{}}\n',
    '{"k":nul,"t":1,"n":1,"d":{}}\n',
    '{"k":1,"t":1,"n":1,"d":{}}',
  ])("refuses %j, naming the object", async (text) => {
    await expect(bad(Buffer.from(text))).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringContaining("object bases/x/part is damaged") as string,
    });
  });
});

test("isLater goes by time, then by sequence", () => {
  expect(isLater({ time: 2, sequence: 1 }, { time: 1, sequence: 9 })).toBe(true);
  expect(isLater({ time: 1, sequence: 9 }, { time: 2, sequence: 1 })).toBe(false);
  expect(isLater({ time: 1, sequence: 2 }, { time: 1, sequence: 1 })).toBe(true);
  expect(isLater({ time: 1, sequence: 1 }, { time: 1, sequence: 1 })).toBe(false);
});
