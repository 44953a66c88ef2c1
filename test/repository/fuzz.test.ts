/**
 * Stored bytes that were altered. Whatever is done to an object, every reading either gives what it gave before, or
 * fails with an error that names the object: never a wrong document, a crash, or a hang.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { messageOf, ThinkbackError } from "../../src/errors.js";
import type { Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { decodeJsonObject, encodeJsonObject } from "../../src/format/json-object.js";
import { parseSegmentName } from "../../src/format/names.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { knownKeys } from "../../src/repository/bases/known-state.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { openRepository } from "../../src/repository/repository.js";
import { textOfJson } from "../../src/server-text.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { whyNotLong } from "../long.js";
import { catalogAt, collect, newestBase, readCoverage, readStatus, versionAt } from "./looks.js";
import { copyOf, json, makeRepository, namesIn, restoredAt } from "./recording.js";
import { mixedKeys, orders, posts, record, type Scenario } from "./scenario.js";

/** Mulberry32 by Tommy Ettinger (public domain): the same seed plants the same damage. */
function randomFrom(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % bound;
  };
}

/** Everything that a user can ask a repository, by name; each answer as text. */
type Question = (store: ObjectStore) => Promise<string>;

function questions({ instants }: Scenario): Map<string, Question> {
  const { copied, changed, resynced, last } = instants;
  const all = new Map<string, Question>();
  const ask = (name: string, question: (store: ObjectStore) => Promise<unknown>) =>
    all.set(name, async (store) => JSON.stringify(await question(store)));
  ask("open", async (store) => (await openRepository(store)).description);
  ask("status", async (store) => readStatus(await openRepository(store)));
  ask("coverage", async (store) => [...(await readCoverage(store))]);
  for (const at of [copied, changed, last]) {
    ask(`catalog at ${at}`, async (store) => [...(await catalogAt(store, at)).records]);
  }
  for (const table of [orders, posts]) {
    for (const at of [copied, changed - 500, resynced, last]) {
      ask(`restore ${table} at ${at}`, async (store) => {
        await newest(store, table, at);
        return restoredAt(store, table, at);
      });
      ask(`known keys of ${table} at ${at}`, (store) => known(store, table, at));
    }
  }
  for (const key of [...mixedKeys.slice(0, 3), "a", 10, "new", "absent"]) {
    for (const at of [changed, last]) {
      ask(`show ${JSON.stringify(key)} at ${at}`, async (store) => {
        await newest(store, orders, at);
        const version = await versionAt(await LogView.read(store), orders, json(key), at);
        // A folded base does not know any more that a document was deleted: to both it is not there.
        return version?.document ? [version.time, textOfJson(version.document)] : "none";
      });
    }
  }
  return all;
}

/** As the commands do: without a base nothing can be said. */
async function newest(store: ObjectStore, table: string, instant: number) {
  const base = await newestBase(store, table, instant);
  if (!base) throw new ThinkbackError("instant", `there is no base of ${table}`);
  return base;
}

async function known(store: ObjectStore, table: string, instant: number): Promise<string[]> {
  const base = await newest(store, table, instant);
  const log = await collect(store, [{ table, after: base.logFrom }], instant);
  try {
    const keys: string[] = [];
    for await (const { key, digest } of knownKeys(store, base, log))
      keys.push(`${textOfJson(key)} ${digest}`);
    return keys;
  } finally {
    await log.dispose();
  }
}

let store: ObjectStore;
let scenario: Scenario;
let asked: Map<string, Question>;
const truth = new Map<string, string>();
const objects = new Map<string, Buffer>();

beforeAll(async () => {
  const repository = await makeRepository();
  ({ store } = repository);
  scenario = await record(repository);
  for (const name of await namesIn(store)) objects.set(name, await store.get(name));
  asked = questions(scenario);
  for (const [name, question] of asked) truth.set(name, await question(store));
});

/** What may be answered otherwise than before, since it says what is damaged: it then names the object as damaged. */
const tellsOfDamage = /^(status|coverage)$/;

/** Asks everything of a damaged store; `blamed` are the objects of which one must be named by any error. */
async function examine(damagedStore: ObjectStore, blamed: string[], what: string): Promise<number> {
  let errors = 0;
  for (const [name, question] of asked) {
    let answer: string;
    try {
      answer = await question(damagedStore);
    } catch (error) {
      errors += 1;
      const where = `${what}; ${name}: ${messageOf(error)}`;
      expect(error, `${where}\n${(error as Error).stack}`).toBeInstanceOf(ThinkbackError);
      expect(["damaged", "repository", "instant"], where).toContain((error as ThinkbackError).code);
      expect(
        blamed.some((object) => messageOf(error).includes(object)),
        where,
      ).toBe(true);
      continue;
    }
    if (answer === truth.get(name)) continue;
    if (name === "status" && claimsLess(answer, truth.get(name)!)) continue;
    const tells = tellsOfDamage.test(name) && blamed.some((object) => answer.includes(object));
    expect(tells, `${what}; ${name} gives a wrong answer:\n${answer}\n${truth.get(name)}`).toBe(
      true,
    );
  }
  return errors;
}

/** True if a status differs only in not claiming to know how many documents there are: an older base was counted from. */
function claimsLess(answer: string, before: string): boolean {
  const parse = (text: string) =>
    JSON.parse(text) as { tables: { documents?: number; documentsExact: boolean }[] };
  const [now, then] = [parse(answer), parse(before)];
  for (const [i, table] of now.tables.entries()) {
    const of = then.tables[i];
    if (!of || table.documentsExact) continue;
    Object.assign(of, { documents: table.documents, documentsExact: false });
  }
  return JSON.stringify(now) === JSON.stringify(then);
}

/** Ways to alter bytes; each returns other bytes than it was given. */
const alterations: Record<string, (bytes: Buffer, random: (bound: number) => number) => Buffer> = {
  flip: (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = random(copy.length);
    copy[at] = copy[at]! ^ (1 + random(255));
    return copy;
  },
  flipNearEnd: (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = copy.length - 1 - random(Math.min(copy.length, 120));
    copy[at] = copy[at]! ^ (1 + random(255));
    return copy;
  },
  truncate: (bytes, random) => bytes.subarray(0, random(bytes.length)),
  behead: (bytes, random) => bytes.subarray(1 + random(bytes.length - 1)),
  remove: (bytes, random) => {
    const at = random(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random(20))]);
  },
  insert: (bytes, random) => {
    const at = random(bytes.length + 1);
    const more = Buffer.from(Array.from({ length: 1 + random(20) }, () => random(256)));
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
  },
  zero: (bytes, random) => {
    const copy = Buffer.from(bytes);
    const at = random(copy.length);
    copy.fill(0, at, Math.min(copy.length, at + 1 + random(64)));
    return copy.equals(bytes) ? Buffer.alloc(bytes.length) : copy;
  },
  double: (bytes) => Buffer.concat([bytes, bytes]),
};

const seed = Number(process.env["FUZZ_SEED"] ?? 20261121);
/** How often each alteration is made. */
const rounds = whyNotLong === undefined ? 3 : 1;

describe(`a repository of which one object was altered (FUZZ_SEED=${seed})`, () => {
  test.each(Object.keys(alterations))("by %s tells which", async (kind) => {
    const random = randomFrom(seed);
    let errors = 0;
    for (const [name, bytes] of objects) {
      for (let round = 0; round < rounds; round += 1) {
        const altered = alterations[kind]!(bytes, random);
        expect(altered.equals(bytes)).toBe(false);
        const damagedStore = await copyOf(store, { [name]: altered });
        errors += await examine(damagedStore, [name], `${kind} of ${name}, round ${round}`);
      }
    }
    expect(errors, "the check is broken: it noticed nothing").toBeGreaterThan(objects.size);
  });

  test("by leaving it out tells which, or does not need it", async () => {
    const last = [...objects.keys()].filter((name) => name.startsWith("log/")).at(-1)!;
    for (const name of objects.keys()) {
      // Of the end of the log nothing is left that could tell, nor of what was only noted beside it.
      if (name === last || /^(evidence|acknowledged)\//.test(name)) continue;
      // What coverage says of them: the number of a segment, and a base by its instant.
      const number = `… number ${parseSegmentName(name)?.sequence} is missing`;
      const base = name.replace(/-[a-z0-9]+\/manifest.json$/, "-…/manifest.json");
      const blamed = [name, number, base, "there is no base of", "but not a Thinkback repository"];
      await examine(await copyOf(store, { [name]: undefined }), blamed, `without ${name}`);
    }
  });

  test("by putting another one in its place tells which", async () => {
    const random = randomFrom(seed + 3);
    let errors = 0;
    for (const name of objects.keys()) {
      for (const [other, bytes] of objects) {
        // Of what is of the same kind a half is enough, of others a tenth; all of them are run by npm run test:long.
        const isAlike = name.slice(-8) === other.slice(-8);
        const isDrawn = whyNotLong === undefined || random(isAlike ? 2 : 10) === 0;
        if (name === other || !isDrawn) continue;
        const swapped = await copyOf(store, { [name]: bytes });
        errors += await examine(swapped, [name], `${other} in the place of ${name}`);
      }
    }
    expect(errors).toBeGreaterThan(objects.size);
  });

  test("by splicing it with another of its kind tells which", async () => {
    const random = randomFrom(seed + 1);
    const names = [...objects.keys()];
    for (const name of names) {
      const bytes = objects.get(name)!;
      const alike = names.filter((one) => one !== name && one.slice(-8) === name.slice(-8));
      for (let round = 0; round < 2; round += 1) {
        const other = objects.get(
          alike[random(Math.max(1, alike.length))] ?? names[random(names.length)]!,
        )!;
        const [at, from] = [random(bytes.length), random(other.length)];
        const spliced = Buffer.concat([bytes.subarray(0, at), other.subarray(from)]);
        if (spliced.equals(bytes)) continue;
        await examine(await copyOf(store, { [name]: spliced }), [name], `splice into ${name}`);
      }
    }
  });
});

/**
 * Objects that are not what they should be although their checksums are right: what a defect of a writer would leave.
 * No reading can tell a wrong document then; but none may crash.
 */
describe("an object that is wrong but sealed is refused or read, without a crash", () => {
  const kindOf = (name: string): Kind | undefined => {
    if (name.startsWith("log/")) return "segment";
    if (name.endsWith(".keys.zst")) return "baseKeys";
    return name.endsWith(".zst") ? "basePart" : undefined;
  };

  async function survives(damagedStore: ObjectStore, what: string): Promise<void> {
    for (const [name, question] of asked) {
      try {
        await question(damagedStore);
      } catch (error) {
        const where = `${what}; ${name}\n${(error as Error).stack}`;
        expect(error, where).toBeInstanceOf(ThinkbackError);
        // A claim that is made to continue nothing disowns every base before it: then there is no instant to restore.
        expect(["damaged", "repository", "unknown", "instant"], where).toContain(
          (error as ThinkbackError).code,
        );
      }
    }
  }

  /** The same object with other lines; manifests that refer to it are sealed anew as well. */
  async function resealed(name: string, alter: (lines: Buffer) => Buffer): Promise<ObjectStore> {
    const kind = kindOf(name)!;
    const object = await DataObject.open(store, name, kind);
    const writer = new DataObjectWriter(kind);
    for (const entry of object.index.frames) {
      const { table, firstKey, minTime, maxTime, rows } = entry;
      const label = { table, firstKey, minTime, maxTime };
      const given = Object.entries(label).filter(([, value]) => value !== undefined);
      writer.addFrame(alter(await object.readFrame(entry)), rows, Object.fromEntries(given));
    }
    const { bytes, checksum } = writer.finish(object.index.footer);
    const changes: Record<string, Buffer> = { [name]: bytes };
    for (const [other, stored] of objects) {
      if (!stored.includes(object.checksum) || kindOf(other)) continue;
      const type = other.endsWith("manifest.json") ? "base" : "writer";
      const {
        thinkback: _,
        version: __,
        checksum: ___,
        ...fields
      } = JSON.parse(stored.toString().replaceAll(object.checksum, checksum)) as Record<
        string,
        unknown
      >;
      if (type === "base") {
        for (const part of fields["parts"] as { name: string; bytes: number }[]) {
          if (part.name === name) part.bytes = bytes.length;
        }
      }
      changes[other] = encodeJsonObject(type, fields);
    }
    return copyOf(store, changes);
  }

  test("with altered lines", async () => {
    const random = randomFrom(seed + 2);
    for (const name of objects.keys()) {
      if (!kindOf(name)) continue;
      for (const [kind, alter] of Object.entries(alterations)) {
        for (let round = 0; round < rounds; round += 1) {
          const damagedStore = await resealed(name, (lines) => alter(lines, random));
          await survives(damagedStore, `${kind} in the lines of ${name}, round ${round}`);
        }
      }
    }
  });

  test("with altered fields of JSON objects", async () => {
    const values: unknown[] = [null, -1, "text", [null], {}, undefined];
    for (const [name, bytes] of objects) {
      if (kindOf(name)) continue;
      const type = (JSON.parse(bytes.toString()) as { thinkback: string }).thinkback;
      const {
        thinkback: _,
        version: __,
        checksum: ___,
        ...fields
      } = decodeJsonObject(bytes, name, type);
      for (const field of Object.keys(fields)) {
        for (const value of values) {
          const sealed = encodeJsonObject(type, { ...fields, [field]: value });
          await survives(
            await copyOf(store, { [name]: sealed }),
            `${field} of ${name}: ${JSON.stringify(value)}`,
          );
        }
      }
    }
  });

  test("a link of the log that leads forward does not make a circle", async () => {
    const names = [...objects.keys()].filter((name) => name.startsWith("log/"));
    const name = names.at(-1)!;
    const object = await DataObject.open(store, name, "segment");
    const writer = new DataObjectWriter("segment");
    for (const entry of object.index.frames) {
      writer.addFrame(await object.readFrame(entry), entry.rows, { table: entry.table! });
    }
    const { footer } = object.index;
    const links = { ...footer.links, catalog: name, coverage: name };
    const circle = await copyOf(store, { [name]: writer.finish({ ...footer, links }).bytes });
    await expect(catalogAt(circle, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
      code: "damaged",
    });
    await expect(readCoverage(circle)).rejects.toMatchObject({ code: "damaged" });
  });
});

test("a store that is empty or foreign is not a repository", async () => {
  await expect(openRepository(new MemoryStore())).rejects.toMatchObject({ code: "repository" });
  const foreign = new MemoryStore();
  await foreign.put("photo.jpg", Buffer.from("x"));
  await expect(openRepository(foreign)).rejects.toMatchObject({
    code: "repository",
    message: "memory holds something, but not a Thinkback repository",
  });
});
