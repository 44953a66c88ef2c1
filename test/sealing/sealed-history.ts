/** A sealed repository in memory, of one table, and the keys and the history that belong to it. */
import { generateX25519Identity } from "age-encryption";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { type KeySet, makeKeySet, putKeySet } from "../../src/sealing/key-set.js";
import { type Keyring, sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { foldUp, type History, Recording, StillClock } from "../repository/recording.js";
import { Random } from "../simulated/random.js";

export const sealedId = "6c8b0000-0000-4000-8000-000000000000";
export const sealedTable = "0a000000-0000-4000-8000-000000000001";
const partBytesTarget = 500_000;

export interface SealedHistory {
  reader: Identity;
  writer: Identity;
  set: KeySet;
  /** The keys of a reader, who trusts himself. */
  keyring: Keyring;
  /** The objects as they are stored. */
  stored: MemoryStore;
  history: History;
  /** Right after the copy, and after the last change. */
  first: number;
  last: number;
  opened: (below: ObjectStore, identity?: Identity) => ObjectStore;
}

/** @param fill how many random texts each document has, of about 11 characters */
export async function makeSealedHistory(fill = 300): Promise<SealedHistory> {
  const [reader, writer] = [
    identityOf(await generateX25519Identity()),
    identityOf(await generateX25519Identity()),
  ];
  const keys = [
    { name: "reader", role: "reader" as const, offline: false, ...reader.public },
    { name: "writer", role: "writer" as const, offline: false, ...writer.public },
  ];
  const set = makeKeySet({ repository: sealedId, number: 1, at: 1, keys, former: [] }, [reader]);
  const opened = (below: ObjectStore, identity = reader) => sealedWith(below, set, [identity]);
  const stored = new MemoryStore();
  const described = { id: sealedId, created: 0, sealed: true };
  await stored.put(repositoryName, encodeJsonObject("repository", described));
  await putKeySet(stored, set);
  const repository = { store: opened(stored), description: described };
  const recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  recording.coverage(sealedTable, { state: "copying", since: recording.clock.instant });
  const random = new Random(1);
  const text = () => Array.from({ length: fill }, () => random.next().toString(36)).join("");
  const rows = Array.from({ length: 200 }, (_, i): [number, object] => [
    i,
    { id: i, text: text() },
  ]);
  const copy = await recording.copy(sealedTable, rows, partBytesTarget);
  const first = await recording.tick(10);
  await copy.finish(first, first - 300);
  recording.coverage(sealedTable, { state: "live", since: first });
  let last = first;
  for (let i = 0; i < 5; i += 1) {
    recording.put(sealedTable, i, { id: i, text: "changed" });
    if (i === 2) recording.put(sealedTable, 9, null);
    last = await recording.tick();
  }
  await foldUp(repository, last, [sealedTable], { partBytesTarget });
  const keyring = {
    identities: [reader],
    trusted: new Set([reader.public.verify]),
    repositories: new Set<string>(),
  };
  return { reader, writer, set, keyring, stored, history: recording.history, first, last, opened };
}
