/** An import into a store that fails leaves nothing there, wherever it fails; and at no moment does anything look exact. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { type ImportOptions, importArchive } from "../../src/exchange/import.js";
import { type ListedArchive, listArchive } from "../../src/exchange/listed-archive.js";
import { thisProcess } from "../../src/owner.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { copyOf, makeRepository, namesIn } from "../repository/recording.js";
import { tableFiles, writeArchive } from "./archives.js";

/** Fails from one of its puts on, like a disk that is full. */
class FailingStore extends MemoryStore {
  puts = 0;
  /** How the store was before each put. */
  readonly before: MemoryStore[] = [];

  constructor(private readonly failsAt: number) {
    super();
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    this.puts += 1;
    this.before.push(await copyOf(this));
    if (this.puts >= this.failsAt) throw new Error("the disk is full");
    await super.put(name, bytes);
  }
}

/** Stops the import at one of its puts, as a signal does. */
class StoppingStore extends MemoryStore {
  private puts = 0;

  constructor(
    private readonly stopsAt: number,
    private readonly stop: AbortController,
  ) {
    super();
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    this.puts += 1;
    if (this.puts === this.stopsAt) this.stop.abort(new Error("stopped"));
    await super.put(name, bytes);
  }
}

let directory: string;
let archive: ListedArchive;
const left: unknown[] = [];
const span = { began: 1000, ended: 5000 };
const options: ImportOptions = {
  clock: systemClock,
  owner: thisProcess,
  observer: {
    reading: () => undefined,
    storing: () => undefined,
    left: (error) => left.push(error),
  },
  signal: new AbortController().signal,
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-failing-"));
  const file = await writeArchive(join(directory, "dump.tar.gz"), [
    ...tableFiles("d/a/t", '[{"id":1},{"id":2}]'),
    ...tableFiles("d/a/u", "[]"),
  ]);
  archive = await listArchive(file, false, options.signal);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function attempt(failsAt: number): Promise<{ store: FailingStore; failed: boolean }> {
  const store = new FailingStore(failsAt);
  const importing = importArchive(() => makeRepository(store), archive, span, options);
  const failed = await importing.then(
    () => false,
    () => true,
  );
  return { store, failed };
}

test("nothing is left, whichever put fails", async () => {
  const { store: whole, failed } = await attempt(Number.POSITIVE_INFINITY);
  expect(failed).toBe(false);
  expect(whole.puts).toBeGreaterThan(5);
  for (let at = 2; at <= whole.puts; at += 1) {
    const broken = await attempt(at);
    expect(broken.failed).toBe(true);
    expect(await namesIn(broken.store)).toEqual(["repository.json"]);
  }
  expect(left).toEqual([]);
});

test("if nothing can be deleted either, the first failure is told, and what is left too", async () => {
  class DeadStore extends FailingStore {
    override async delete(): Promise<void> {
      throw new Error("the store is gone");
    }
  }
  const store = new DeadStore(5);
  const importing = importArchive(() => makeRepository(store), archive, span, options);
  await expect(importing).rejects.toThrow("the disk is full");
  expect(left.map(String)).toEqual([expect.stringContaining("the store is gone")]);
});

test("an import that was killed at any moment shows no table, a whole one shows them as late", async () => {
  const { store } = await attempt(Number.POSITIVE_INFINITY);
  const description = { id: "00000000-0000-4000-8000-0000000000ff", created: 0 };
  const coverageOf = (of: MemoryStore) =>
    lookAt({ store: of, description }, async (view) => (await view.coverage()).tables);
  for (const before of store.before.slice(1)) expect((await coverageOf(before)).size).toBe(0);
  const tables = [...(await coverageOf(store)).values()];
  expect(tables.map(({ intervals }) => intervals)).toEqual(
    tables.map(() => [
      expect.objectContaining({ class: "late", from: 5000, to: 5000, lateMs: 4000 }),
    ]),
  );
  expect(tables).toHaveLength(2);
});

test("the error that ended an import is the one that it tells, also if nothing can be deleted", async () => {
  class Stuck extends FailingStore {
    override delete(): Promise<void> {
      return Promise.reject(new Error("the disk is read-only"));
    }
  }
  const left: unknown[] = [];
  const observer = { ...options.observer, left: (error: unknown) => left.push(error) };
  const store = new Stuck(4);
  const importing = importArchive(() => makeRepository(store), archive, span, {
    ...options,
    observer,
  });
  await expect(importing).rejects.toThrow("the disk is full");
  expect(left).toEqual([new Error("the disk is read-only")]);
});

test("an import that is stopped at any put leaves nothing, or is whole", async () => {
  const { store: whole } = await attempt(Number.POSITIVE_INFINITY);
  for (let at = 1; at <= whole.puts; at += 1) {
    const stop = new AbortController();
    const store = new StoppingStore(at, stop);
    const stopping = { ...options, signal: stop.signal };
    const importing = importArchive(() => makeRepository(store), archive, span, stopping);
    if (at === whole.puts) {
      await importing;
      expect(await namesIn(store)).toHaveLength((await namesIn(whole)).length);
    } else {
      await expect(importing).rejects.toThrow("stopped");
      expect(await namesIn(store)).toEqual(["repository.json"]);
    }
  }
});
