/** A sealed repository is copied, checked and read from several copies; copying needs no key. */
import { generateX25519Identity } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { openCopies } from "../../src/copies/open-copies.js";
import { DataObject } from "../../src/format/data-object.js";
import { descriptionKind } from "../../src/format/description.js";
import { encodeStored } from "../../src/format/json-object.js";
import { numberedName, repositoryName } from "../../src/format/names.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { openRepository } from "../../src/repository/repository.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { type KeySet, keySetKind, makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import type { CopyTrouble } from "../../src/storage/fallback-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { verify } from "../../src/verify/verify.js";
import { copyOf, namesIn, restoredAt, StillClock } from "../repository/recording.js";
import {
  makeSealedHistory,
  type SealedHistory,
  sealedId,
  sealedTable,
} from "../sealing/sealed-history.js";

let world: SealedHistory;
beforeAll(async () => {
  // A part is larger than what one request reads of an object's end.
  world = await makeSealedHistory();
});

/** Both instants are restored as they were. */
async function expectRight(store: ObjectStore, open = world.opened): Promise<void> {
  for (const instant of [world.first, world.last]) {
    const documents = await restoredAt(open(store), sealedTable, instant);
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

describe("a copy in which somebody without a key has changed everything", () => {
  /** A key of one's own beside everything that is public. */
  let attacker: Identity;
  let names: string[];
  let plain: Map<string, Buffer>;
  beforeAll(async () => {
    attacker = identityOf(await generateX25519Identity());
    const isSealed = (name: string) => name !== repositoryName && !name.startsWith("keys/");
    names = (await namesIn(world.stored)).filter(isSealed);
    const read = names.map(async (name): Promise<[string, Buffer]> => {
      return [name, await world.opened(world.stored).get(name)];
    });
    plain = new Map(await Promise.all(read));
  });

  /** The objects as somebody else would seal them: signed by another key, or for another repository. */
  async function sealedBy(signer: Identity, set: KeySet): Promise<Record<string, Buffer>> {
    const below = new MemoryStore();
    const store = sealedWith(below, set, [signer]);
    const sealed: Record<string, Buffer> = {};
    for (const [name, bytes] of plain) {
      await store.put(name, /part-\d+\.zst$/.test(name) ? lie : bytes);
      sealed[name] = await below.get(name);
    }
    return sealed;
  }

  /** A base part with another document. */
  const lie = (() => {
    const object = new DataObjectWriter("basePart");
    const label = { firstKey: '"x"', minTime: 1, maxTime: 1 };
    object.addFrame(Buffer.from('{"k":"x","t":1,"n":1,"d":{"id":"x"}}\n'), 1, label);
    return object.finish({}).bytes;
  })();

  const own = () => ({ name: "x", role: "reader" as const, offline: false, ...attacker.public });

  const attacks: [string, RegExp, () => Promise<Record<string, Buffer>>][] = [
    [
      "forged",
      /signed by a key that is not trusted/,
      () => sealedBy(attacker, makeKeySet({ ...world.set, keys: [own()] }, [attacker])),
    ],
    [
      "replayed from another repository",
      /signature is wrong/,
      () => sealedBy(world.reader, { ...world.set, repository: "another" }),
    ],
    [
      "swapped",
      /signature is wrong/,
      async () => {
        const swapped = names.map(async (name, i): Promise<[string, Buffer]> => {
          return [name, await world.stored.get(names[(i + 1) % names.length]!)];
        });
        return Object.fromEntries(await Promise.all(swapped));
      },
    ],
  ];

  /** Both copies as one, read with the reader's key, or without any. */
  async function both(changes: Record<string, Buffer>, keyring = world.keyring) {
    const troubles: CopyTrouble[] = [];
    const changed = placed("changed", await copyOf(world.stored, changes));
    const copies = [changed, placed("sound", world.stored)];
    const onTrouble = (trouble: CopyTrouble) => troubles.push(trouble);
    return { store: await openCopies(copies, new StillClock(), onTrouble, keyring), troubles };
  }

  test.each(attacks)(
    "(%s) hides nothing of the sound one, and is named",
    async (_, what, attack) => {
      const { store, troubles } = await both(await attack());
      await expectRight(store);
      const options = { share: 1, random: () => 0, keyring: world.keyring };
      expect((await verify(world.opened(store), options)).report.damage).toEqual([]);
      expect(new Set(troubles.map(({ location }) => location))).toEqual(new Set(["changed"]));
      expect(new Set(troubles.map(({ object }) => object))).toEqual(new Set(names));
      for (const trouble of troubles) expect(trouble.what).toMatch(what);
    },
  );

  test("is only found out with a key", async () => {
    const forged = Object.entries(await attacks[0]![2]());
    // Claims in which two copies differ are refused.
    const others = forged.filter(([name]) => !name.startsWith("writers/"));
    const { store } = await both(Object.fromEntries(others), {
      identities: [],
      trusted: new Set(),
      repositories: new Set(),
    });
    await expect(expectRight(store)).rejects.toThrow(attacks[0]![1]);
  });

  test("is named where no other copy is sound", async () => {
    const changes = await attacks[0]![2]();
    const name = names.find((one) => /part-\d+\.zst$/.test(one))!;
    const copies = [await copyOf(world.stored, changes), await copyOf(world.stored, changes)];
    const store = await openCopies(copies, new StillClock(), () => undefined, world.keyring);
    const read = DataObject.open(world.opened(store), name, "basePart");
    await expect(read).rejects.toThrow(/signed by a key that is not trusted/);
  });

  test("is read with the key sets of the sound one, and is not taken for a repository in the clear", async () => {
    const name = numberedName("keys/", 1);
    const forgedSet = encodeStored(
      keySetKind,
      makeKeySet({ ...world.set, keys: [own()] }, [attacker]),
    );
    const forged = { ...(await attacks[0]![2]()), [name]: forgedSet };
    const { store, troubles } = await both(forged);
    const repository = await openRepository(store, world.keyring);
    const documents = await restoredAt(repository.store, sealedTable, world.last);
    expect(documents).toEqual(world.history.at(sealedTable, world.last));
    const told = troubles.find(({ object }) => object === name);
    expect(told).toMatchObject({
      location: "changed",
      what: expect.stringMatching(/not signed by/),
    });
    const description = encodeStored(descriptionKind, { id: sealedId, created: 0 });
    const clear = await both({ [repositoryName]: description });
    expect(clear.troubles).toMatchObject([{ location: "changed", object: undefined }]);
    await expectRight((await openRepository(clear.store, world.keyring)).store, (opened) => opened);
  });

  test("with one key set more than the sound one has is refused, and the set named", async () => {
    const set = makeKeySet({ ...world.set, number: 2, keys: [own()] }, [attacker]);
    const { store } = await both({ [numberedName("keys/", 2)]: encodeStored(keySetKind, set) });
    await expect(openRepository(store, world.keyring)).rejects.toThrow(/key set 2 .* not signed/);
  });
});

/** The same store at a place of its own. */
function placed(location: string, below: ObjectStore): ObjectStore {
  return new (class extends StoreLayer {
    override get location() {
      return location;
    }
  })(below);
}
