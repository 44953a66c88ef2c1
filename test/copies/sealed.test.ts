/** A sealed repository is copied, checked and read from several copies; copying needs no key. */
import { beforeAll, expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { openCopies } from "../../src/copies/open-copies.js";
import { repositoryName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { copyOf, namesIn, restoredAt, StillClock } from "../repository/recording.js";
import { makeSealedHistory, type SealedHistory, sealedTable } from "../sealing/sealed-history.js";

let world: SealedHistory;
beforeAll(async () => {
  // A part is larger than what one request reads of an object's end.
  world = await makeSealedHistory();
});

/** Both instants are restored as they were. */
async function expectRight(store: ObjectStore): Promise<void> {
  for (const instant of [world.first, world.last]) {
    const documents = await restoredAt(world.opened(store), sealedTable, instant);
    expect(documents).toEqual(world.history.at(sealedTable, instant));
  }
}

test("is copied as it is stored, key sets first, and every altered byte is noticed without a key", async () => {
  const target = new MemoryStore();
  await (await RepositoryCopy.begin(world.stored, target)).run();
  const names = await namesIn(world.stored);
  expect(await namesIn(target)).toEqual(names);
  expect(await restoredAt(world.opened(target), sealedTable, world.last)).toEqual(
    world.history.at(sealedTable, world.last),
  );
  for (const [i, name] of names.entries()) {
    if (name === repositoryName) continue;
    const bytes = await world.stored.get(name);
    bytes[(i * 7919) % bytes.length]! ^= 1;
    const copy = await RepositoryCopy.begin(
      await copyOf(world.stored, { [name]: bytes }),
      new MemoryStore(),
    );
    await copy.run();
    expect([...copy.findings.keys()], name).toEqual([name]);
  }
});

test("is read from whichever copy is sound, whatever part of an object is damaged", async () => {
  const names = await namesIn(world.stored);
  let count = 0;
  for (let at = 0; at < 8; at += 1) {
    const changes: [Record<string, Buffer>, Record<string, Buffer>] = [{}, {}];
    for (const [i, name] of names.entries()) {
      if (name === repositoryName || name.startsWith("keys/")) continue;
      const bytes = await world.stored.get(name);
      bytes[Math.floor((bytes.length * (at + 0.5)) / 8)]! ^= 1;
      changes[at % 2 === 0 ? i % 2 : 0]![name] = bytes;
    }
    const copies = [await copyOf(world.stored, changes[0]), await copyOf(world.stored, changes[1])];
    const troubles: (string | undefined)[] = [];
    const store = await openCopies(copies, new StillClock(), ({ object }) => troubles.push(object));
    await expectRight(store);
    count += troubles.length;
  }
  expect(count).toBeGreaterThan(25);
});
