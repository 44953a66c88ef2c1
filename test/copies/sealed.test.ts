/** A sealed repository is copied, checked and read from several copies; copying needs no key. */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { openCopies } from "../../src/copies/open-copies.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { type KeySet, makeKeySet, putKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import {
  copyOf,
  foldUp,
  History,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { Random } from "../simulated/random.js";

const id = "6c8b0000-0000-4000-8000-000000000000";
const table = "0a000000-0000-4000-8000-000000000001";

let reader: Identity;
let set: KeySet;
let stored: MemoryStore;
let history: History;
/** Right after the copy, and after the last change. */
let first: number;
let last: number;

beforeAll(async () => {
  reader = identityOf(await generateX25519Identity());
  const keys = [{ name: "reader", role: "reader" as const, offline: false, ...reader.public }];
  set = makeKeySet({ repository: id, number: 1, at: 1, keys, former: [] }, [reader]);
  stored = new MemoryStore();
  await stored.put(
    repositoryName,
    encodeJsonObject("repository", { id, created: 0, sealed: true }),
  );
  await putKeySet(stored, set);
  const repository = { store: opened(stored), description: { id, created: 0, sealed: true } };
  const recording = await Recording.begin(repository, new StillClock());
  ({ history } = recording);
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: recording.clock.instant });
  // A part is larger than what one request reads of an object's end.
  const random = new Random(1);
  const text = () => Array.from({ length: 300 }, () => random.next().toString(36)).join("");
  const rows = Array.from({ length: 200 }, (_, i) => [i, { id: i, text: text() }]);
  const copy = await recording.copy(table, rows as [number, object][], 500_000);
  const since = await recording.tick(10);
  await copy.finish(since, since - 300);
  recording.coverage(table, { state: "live", since });
  for (let i = 0; i < 5; i += 1) {
    recording.put(table, i, { id: i, text: "changed" });
    last = await recording.tick();
  }
  first = since;
  await foldUp(repository, last, [table], { partBytesTarget: 500_000 });
});

const opened = (below: ObjectStore) => sealedWith(below, set, [reader]);

test("is copied as it is stored, key sets first, and every altered byte is noticed without a key", async () => {
  const target = new MemoryStore();
  await (await RepositoryCopy.begin(stored, target)).run();
  const names = await namesIn(stored);
  expect(await namesIn(target)).toEqual(names);
  expect(await restoredAt(opened(target), table, last)).toEqual(history.at(table, last));
  for (const [i, name] of names.entries()) {
    if (name === repositoryName) continue;
    const bytes = await stored.get(name);
    bytes[(i * 7919) % bytes.length]! ^= 1;
    const copy = await RepositoryCopy.begin(
      await copyOf(stored, { [name]: bytes }),
      new MemoryStore(),
    );
    await copy.run();
    expect([...copy.findings.keys()], name).toEqual([name]);
  }
});

test("is read from whichever copy is sound, whatever part of an object is damaged", async () => {
  const names = await namesIn(stored);
  let count = 0;
  for (let at = 0; at < 8; at += 1) {
    const changes: [Record<string, Buffer>, Record<string, Buffer>] = [{}, {}];
    for (const [i, name] of names.entries()) {
      if (name === repositoryName || name.startsWith("keys/")) continue;
      const bytes = await stored.get(name);
      bytes[Math.floor((bytes.length * (at + 0.5)) / 8)]! ^= 1;
      changes[at % 2 === 0 ? i % 2 : 0]![name] = bytes;
    }
    const copies = [await copyOf(stored, changes[0]), await copyOf(stored, changes[1])];
    const troubles: (string | undefined)[] = [];
    const store = await openCopies(copies, new StillClock(), ({ object }) => troubles.push(object));
    for (const instant of [first, last]) {
      expect(await restoredAt(opened(store), table, instant)).toEqual(history.at(table, instant));
    }
    count += troubles.length;
  }
  expect(count).toBeGreaterThan(25);
});
