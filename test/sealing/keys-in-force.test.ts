/** A process that runs takes a change of keys, without a restart and without waiting for it. */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { encodeStored } from "../../src/format/json-object.js";
import { numberedName } from "../../src/format/names.js";
import { BaseWriter } from "../../src/repository/bases/base-writer.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import {
  type Key,
  type KeySet,
  keySetKind,
  makeKeySet,
  putKeySet,
} from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { failureOf, type Range, StoreUnavailable } from "../../src/storage/object-store.js";

const repository = "11111111-0000-4000-8000-000000000000";
const name = "writers/00000001.json";
const minutesMs = 60_000;

/** Tells what was asked for below keys/, and answers as it is told. */
class WatchedStore extends MemoryStore {
  readonly asked: string[] = [];
  answerOfKeys: () => Promise<void> = () => Promise.resolve();
  answerOfPuts: () => Promise<void> = () => Promise.resolve();

  override async get(of: string, range?: Range): Promise<Buffer> {
    if (of.startsWith("keys/")) {
      this.asked.push(of);
      await this.answerOfKeys();
    }
    return super.get(of, range);
  }

  override async put(of: string, bytes: Uint8Array): Promise<void> {
    await this.answerOfPuts();
    await super.put(of, bytes);
  }
}

const names = ["reader", "other", "writer", "next", "stranger"] as const;
let all: Record<(typeof names)[number], Identity>;
beforeAll(async () => {
  const made = names.map(async (of) => [of, identityOf(await generateX25519Identity())]);
  all = Object.fromEntries(await Promise.all(made)) as typeof all;
});

let below: WatchedStore;
let nowMs: number;
let first: KeySet;
let newest: KeySet | undefined;
beforeEach(async () => {
  below = new WatchedStore();
  nowMs = 0;
  newest = undefined;
  first = await change(1, [key("reader"), key("writer")]);
});

const key = (of: (typeof names)[number]): Key => {
  const role = of === "writer" || of === "next" ? "writer" : "reader";
  return { name: of, role, offline: false, ...all[of].public };
};

async function change(
  number: number,
  keys: Key[],
  more: { former?: KeySet["former"]; by?: Identity } = {},
): Promise<KeySet> {
  const { former = [], by = all.reader } = more;
  const content = { repository, number, at: number, keys, former };
  // Who does not open the groups makes others.
  const set = makeKeySet(content, [by], by === all.reader ? newest : undefined);
  expect(await putKeySet(below, set)).toBe(true);
  newest = set;
  return set;
}

const opened = (identity: Identity, set = first) =>
  sealedWith(below, set, [identity], { monotonicMs: () => nowMs });

const text = (of: string) => Buffer.from(of);

/** What was begun in the background has ended. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("an object of a writer that was added", () => {
  test("is believed by a process that runs: it reads the new key sets, and only those", async () => {
    const reading = opened(all.reader);
    await change(2, [key("reader"), key("writer"), key("other")]);
    const set = await change(3, [key("reader"), key("writer"), key("next")]);
    await opened(all.next, set).put(name, text("new"));
    expect((await reading.get(name)).toString()).toBe("new");
    expect((await reading.tail(name, 10)).bytes.toString()).toBe("new");
    expect(below.asked).toEqual([2, 3, 4].map((number) => numberedName("keys/", number)));
  });

  test("is damaged if nobody has added it, and that is looked up once in ten seconds", async () => {
    const forged = { ...first, keys: [key("reader"), key("stranger")] };
    await opened(all.stranger, forged).put(name, text("forged"));
    const reading = opened(all.reader);
    for (let i = 0; i < 5; i += 1) {
      await expect(reading.get(name)).rejects.toThrow(/signed by a key that is not trusted/);
    }
    expect(below.asked).toHaveLength(1);
    nowMs += 10_000;
    await change(2, [key("reader"), key("stranger")]);
    expect((await reading.get(name)).toString()).toBe("forged");
  });

  test("is believed though it was looked for newer sets a moment before, on schedule", async () => {
    const reading = opened(all.reader);
    nowMs += 10 * minutesMs;
    await reading.put("settings/0000000001.json", text("x"));
    await settled();
    expect(below.asked).toHaveLength(1);
    const set = await change(2, [key("reader"), key("next")]);
    await opened(all.next, set).put(name, text("new"));
    expect((await reading.get(name)).toString()).toBe("new");
  });

  test("is not called damaged while the store fails", async () => {
    const set = await change(2, [key("reader"), key("next")]);
    await opened(all.next, set).put(name, text("new"));
    const reading = opened(all.reader);
    below.answerOfKeys = () => Promise.reject(new StoreUnavailable("away"));
    const error: unknown = await reading.get(name).catch((caught: unknown) => caught);
    expect(failureOf(error)).toBe("unavailable");
    below.answerOfKeys = () => Promise.resolve();
    expect((await reading.get(name)).toString()).toBe("new");
  });

  test("is damaged if the newer key set does not count; and says so", async () => {
    const set = await change(2, [key("reader"), key("next")], { by: all.writer });
    await opened(all.next, set).put(name, text("new"));
    const reading = opened(all.reader);
    await expect(reading.get(name)).rejects.toThrow(
      /writers\/00000001\.json is damaged: .*key set 2 of the repository is not signed/,
    );
  });
});

describe("what was written before a key was added", () => {
  const later = "settings/0000000001.json";

  test("is opened by a writer that was added, and a second one replaces the first", async () => {
    await opened(all.writer).put(name, text("before"));
    const set = await change(2, [key("reader"), key("writer"), key("next")]);
    // A process that began before the key was added looks for it.
    expect((await opened(all.next, first).get(name)).toString()).toBe("before");
    const former = [{ name: "writer", role: "writer" as const, verify: all.writer.public.verify }];
    const kept = await change(3, [key("reader"), key("next")], { former });
    expect((await opened(all.next, kept).get(name)).toString()).toBe("before");
    await expect(opened(all.next, set).get(name)).resolves.toBeDefined();
    await opened(all.reader, kept).put(later, text("after"));
    const removed: unknown = await opened(all.writer, kept)
      .get(later)
      .catch((caught: unknown) => caught);
    expect(failureOf(removed)).toBe("forbidden");
  });
});

describe("what a process writes", () => {
  test("is not sealed for a reader that was removed, ten minutes later", async () => {
    const before = await change(2, [key("reader"), key("writer"), key("other")]);
    const writing = opened(all.writer, before);
    const leaving = opened(all.other, before);
    await change(3, [key("reader"), key("writer")]);
    nowMs += 10 * minutesMs - 1;
    await writing.put("writers/00000001.json", text("a"));
    await settled();
    expect(below.asked).toEqual([]);
    nowMs += 1;
    await writing.put("writers/00000002.json", text("b"));
    await settled();
    await writing.put("writers/00000003.json", text("c"));
    expect((await leaving.get("writers/00000002.json")).toString()).toBe("b");
    const later: unknown = await leaving
      .get("writers/00000003.json")
      .catch((caught: unknown) => caught);
    expect(failureOf(later)).toBe("forbidden");
    expect(later).toMatchObject({
      message: expect.stringContaining("as key set 3 says: it was removed") as string,
    });
    // What it has opened once, it opens as long as it runs.
    expect((await leaving.get("writers/00000001.json")).toString()).toBe("a");
    // A reader that runs opens what is sealed for the new identity at once.
    const staying = opened(all.reader, before);
    expect((await staying.get("writers/00000003.json")).toString()).toBe("c");
  });

  test.each([
    ["does not answer", () => new Promise<void>(() => undefined)],
    ["fails", () => Promise.reject(new StoreUnavailable("away"))],
  ])("is stored at once though the look for new keys %s", async (_, answer) => {
    const writing = opened(all.writer);
    below.answerOfKeys = answer;
    for (let i = 1; i < 4; i += 1) {
      nowMs += 10 * minutesMs;
      await writing.put(`writers/0000000${i}.json`, text("a"));
      await settled();
    }
    expect(await below.size("writers/00000003.json")).toBeGreaterThan(0);
  });

  test("goes on by the keys that are known if the next key set is garbage, or forged", async () => {
    const writing = opened(all.writer);
    const forged = { repository, number: 2, at: 2, keys: [key("stranger")], former: [] };
    const set = makeKeySet(forged, [all.stranger]);
    await below.put(numberedName("keys/", 2), encodeStored(keySetKind, set));
    nowMs += 10 * minutesMs;
    for (const number of [1, 2]) {
      await writing.put(`writers/0000000${number}.json`, text("a"));
      await settled();
    }
    expect(below.asked).toHaveLength(1);
    const reading = opened(all.reader);
    expect((await reading.get("writers/00000002.json")).toString()).toBe("a");
  });

  test("is refused, with what to do, once its key was removed", async () => {
    const writing = opened(all.writer);
    const former = [{ name: "writer", role: "writer" as const, verify: all.writer.public.verify }];
    await writing.put(name, text("before"));
    await change(2, [key("reader"), key("next")], { former });
    nowMs += 10 * minutesMs;
    await writing.put("writers/00000002.json", text("a"));
    await settled();
    const error: unknown = await writing
      .put("writers/00000003.json", text("b"))
      .catch((caught: unknown) => caught);
    expect(failureOf(error)).toBe("forbidden");
    expect(error).toMatchObject({
      message: expect.stringContaining("as key set 2 says: it was removed") as string,
      hint: expect.stringContaining("thinkback key add") as string,
    });
    // What it wrote before is believed still.
    expect((await writing.get(name)).toString()).toBe("before");
  });

  test("is not believed any more, remembered or not, once its key is distrusted", async () => {
    const reading = opened(all.reader);
    await opened(all.writer).put(name, text("before"));
    await reading.tail(name, 10);
    await change(2, [key("reader"), key("next")]);
    nowMs += 10 * minutesMs;
    await reading.put("settings/0000000001.json", text("x"));
    await settled();
    await expect(reading.tail(name, 10)).rejects.toThrow(/signed by a key that is not trusted/);
  });
});

test("a base names the sizes that are stored, though keys change while its parts wait", async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const store = opened(all.reader);
  const identity = { table: "t", epoch: 1, primaryKey: "id", begun: 1, unique: "u" };
  const writer = new BaseWriter(
    { store, description: { id: repository, created: 0 } },
    identity,
    1,
  );
  below.answerOfPuts = () => held;
  for (let i = 0; i < 3; i += 1) {
    writer.add(text(`"${i}"`), 1, 1, text(`{"id":"${i}"}`));
  }
  await settled();
  const grown = [key("reader"), key("writer"), key("other"), key("next")];
  below.answerOfPuts = () => Promise.resolve();
  await change(2, grown);
  nowMs += 10 * minutesMs;
  store.sealing.seal("settings/0000000001.json", text("x"));
  await settled();
  release();
  const { parts } = await writer.finish(2, 1);
  expect(parts).toHaveLength(3);
  for (const part of parts) expect(await below.size(part.name)).toBe(part.bytes);
});
