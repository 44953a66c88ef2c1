/** In a sealed repository, sizes in reports and manifests are those of what is stored, and not of what was sealed. */
import { randomUUID } from "node:crypto";
import { generateX25519Identity } from "age-encryption";
import { beforeAll, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { identityOf } from "../../src/sealing/identity.js";
import { initSealed } from "../../src/sealing/init.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { foldLog, newestBase } from "../repository/looks.js";
import { foldUp, namesIn, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const stored = new MemoryStore();
let repository: Repository;
let recording: Recording;
let copied: number;

beforeAll(async () => {
  const [reader, offline] = [await newIdentity(), await newIdentity()];
  const keys = [
    { name: "reader", role: "reader" as const, offline: false, ...reader.public },
    { name: "offline", role: "reader" as const, offline: true, ...offline.public },
  ];
  ({ repository } = await initSealed(stored, keys, [reader], { id: randomUUID(), created: 0 }));
  recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: recording.clock.instant });
  const copy = await recording.copy(
    table,
    Array.from({ length: 20 }, (_, id) => [id, { id }]),
  );
  const since = await recording.tick(10);
  await copy.finish(since, since - 300);
  copied = copy.bytesWritten;
  recording.coverage(table, { state: "live", since });
  for (let i = 0; i < 5; i += 1) {
    recording.put(table, i, { id: i, text: "changed" });
    await recording.tick();
  }
});

const newIdentity = async () => identityOf(await generateX25519Identity());

/** Bytes that are stored of the objects below a prefix, without those that were there before. */
async function storedBytes(prefix: string, before: readonly string[] = []): Promise<number> {
  let bytes = 0;
  for (const name of await namesIn(stored, prefix)) {
    if (!before.includes(name)) bytes += (await stored.size(name))!;
  }
  return bytes;
}

test("a copy counts what is stored of its parts, keys and manifest", async () => {
  expect(copied).toBe(await storedBytes("bases/"));
});

test("a fold of a table counts what is stored of what it reads and writes", async () => {
  const before = await namesIn(stored, "bases/");
  const base = await newestBase(repository.store, table, recording.clock.instant);
  const [folded] = await foldUp(repository, recording.clock.instant);
  expect(folded).toMatchObject({
    folded: true,
    bytesRead: await stored.size(base!.parts[0]!.name),
    bytesWritten: await storedBytes("bases/", before),
  });
});

test("a fold of the log counts what is stored of what it reads and writes", async () => {
  const read = await storedBytes("log/");
  const { clock } = recording;
  const report = await foldLog(repository, {
    now: clock.instant + 120_000,
    settleMs: 60_000,
    partial: true,
    unique: "f2",
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });
  expect(report).toMatchObject({
    written: 1,
    bytesRead: read,
    bytesWritten: await storedBytes("folded/"),
  });
});
