import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { deliverSpool, type KeptSegment } from "../../src/capture/left-spool.js";
import { RetryingShipper } from "../../src/capture/shipper.js";
import type { Repository } from "../../src/format/description.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { openSegment } from "../../src/repository/log/log.js";
import { identityOf } from "../../src/sealing/identity.js";
import { type KeySet, makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { directoryAt } from "../../src/storage/store-at.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { verify } from "../../src/verify/verify.js";
import { patient } from "../repository/month.js";
import { copyOf, namesIn, Recording, StillClock } from "../repository/recording.js";

const id = "00000000-0000-4000-8000-0000000000ff";
const table = "0a000000-0000-4000-8000-000000000001";

/** What a delivery tells. */
class Told {
  delivered = 0;
  dropped = 0;
  readonly kept: KeptSegment[] = [];
  spoolDelivered = (segments: number) => void (this.delivered += segments);
  spoolDropped = (segments: number) => void (this.dropped += segments);
  spoolKept = (kept: KeptSegment) => void this.kept.push(kept);
}

test("what a killed process was writing to the spool a day ago goes; of a minute ago, it stays", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const clock = patient(new StillClock());
  for (const [name, agoMs] of [
    [".tmp-old", 86_400_001],
    [".tmp-young", 60_000],
  ] as const) {
    await writeFile(join(directory, name), "half a segment");
    const seconds = (clock.now() - agoMs) / 1000;
    await utimes(join(directory, name), seconds, seconds);
  }
  const spool = { store: directoryAt("--spool", directory), bytesMax: 1 };
  const repository = { store: new MemoryStore(), description: { id, created: 0 } };
  await deliverSpool(repository, spool, clock, new Told());
  expect(await readdir(directory)).toEqual([".tmp-young"]);
  await rm(directory, { recursive: true });
});

interface Kind {
  /** Seals for a repository of that id, if anything does. */
  open: (below: ObjectStore, of?: string) => ObjectStore;
  /** The same with a key that does not count. */
  forge: (below: ObjectStore) => ObjectStore;
}

let sealed: Kind;
beforeAll(async () => {
  const make = async () => identityOf(await generateX25519Identity());
  const [reader, writer, stranger] = [await make(), await make(), await make()];
  const key = (name: string, role: "reader" | "writer", { public: own }: typeof reader) => {
    return { name, role, offline: false, ...own };
  };
  const keys = [key("reader", "reader", reader), key("writer", "writer", writer)];
  const sets = new Map<string, KeySet>();
  // Each set has groups of its own, so there is one for each repository.
  const setOf = (repository: string): KeySet => {
    const content = { repository, number: 1, at: 1, keys, former: [] };
    const set = sets.get(repository) ?? makeKeySet(content, [reader]);
    sets.set(repository, set);
    return set;
  };
  sealed = {
    open: (below, of = id) => sealedWith(below, setOf(of), [writer]),
    forge: (below) => {
      const before = setOf(id);
      const more = { number: 2, keys: [...keys, key("stranger", "writer", stranger)] };
      const own = makeKeySet({ ...before, ...more }, [reader], before);
      return sealedWith(below, own, [stranger]);
    },
  };
});
const plain: Kind = { open: (below) => below, forge: (below) => below };

/** A repository, and a spool with the three segments that follow in its log. */
async function makeSpool({ open }: Kind, of = id) {
  const stored = new MemoryStore();
  const isSealed = open(stored) !== stored;
  const description = { id: of, created: 0, ...(isSealed ? { sealed: true } : {}) };
  await stored.put(repositoryName, encodeJsonObject("repository", description));
  const clock = new StillClock();
  const recording = await Recording.begin({ store: open(stored, of), description }, clock);
  recording.catalogRead();
  recording.coverage(table, { state: "copying", since: clock.instant });
  for (let i = 0; i < 4; i += 1) {
    recording.put(table, i, { id: i });
    await recording.tick();
  }
  const names = (await namesIn(stored, "log/")).slice(-3);
  const target = await copyOf(stored, Object.fromEntries(names.map((name) => [name, undefined])));
  const spool = new MemoryStore();
  for (const name of names) await spool.put(name, await stored.get(name));
  const repository: Repository = { store: open(target, of), description };
  return { repository, target, spool, names, clock };
}

async function deliver(repository: Repository, spool: ObjectStore): Promise<Told> {
  const told = new Told();
  const clock = patient(new StillClock());
  await deliverSpool(repository, { store: spool, bytesMax: 1 }, clock, told);
  return told;
}

const flipped = (bytes: Buffer) => {
  bytes[Math.floor(bytes.length / 3)]! ^= 1;
  return bytes;
};

type Made = Awaited<ReturnType<typeof makeSpool>>;

/** The bytes of the second segment as another one would have made them. */
const ways: [string, (kind: Kind, made: Made) => Promise<Buffer>, RegExp, RegExp][] = [
  [
    "of which a byte was altered",
    async (_, { spool, names }) => flipped(await spool.get(names[1]!)),
    /fails its checksum|altered|wrong|not what its writer signed/,
    /fails its checksum/,
  ],
  [
    "that is cut off",
    async (_, { spool, names }) => (await spool.get(names[1]!)).subarray(0, 100),
    /not a sealed object/,
    /truncated/,
  ],
  [
    "that is another one of the log",
    (_, { spool, names }) => spool.get(names[2]!),
    /signature is wrong/,
    /name and its footer differ/,
  ],
  [
    "of another repository",
    async (kind, { names }) => {
      const other = await makeSpool(kind, "00000000-0000-4000-8000-0000000000aa");
      expect(other.names).toEqual(names);
      return other.spool.get(names[1]!);
    },
    /signature is wrong/,
    /belongs to another repository/,
  ],
];

const forged: (typeof ways)[number] = [
  "that a stranger has signed",
  async ({ open, forge }, { spool, names }) => {
    const below = new MemoryStore();
    const segment = await openSegment(open(spool), names[1]!);
    expect(segment.index.footer.sequence).toBeGreaterThan(1);
    await forge(below).put(names[1]!, Buffer.from("anything"));
    return below.get(names[1]!);
  },
  /signed by a key that is not trusted/,
  /./,
];

describe.each([
  ["a sealed repository", () => sealed, [...ways, forged]],
  ["a repository that is not sealed", () => plain, ways],
] as const)("the spool of %s", (which, kindOf, cases) => {
  test("is delivered and emptied, if all of it is in order", async () => {
    const { repository, target, spool, names } = await makeSpool(kindOf());
    expect(await deliver(repository, spool)).toMatchObject({ delivered: 3, dropped: 0, kept: [] });
    expect(await namesIn(spool)).toEqual([]);
    expect((await namesIn(target, "log/")).slice(-3)).toEqual(names);
  });

  test.each(cases)(
    "keeps a segment %s, with what follows it, at every start",
    async (_, make, ofSealed, ofPlain) => {
      const made = await makeSpool(kindOf());
      const { repository, target, names } = made;
      const bytes = await make(kindOf(), made);
      const spool = await copyOf(made.spool, { [names[1]!]: bytes });
      const said = which === "a sealed repository" ? ofSealed : ofPlain;
      const kept = [{ name: names[1], what: expect.stringMatching(said) as string, segments: 2 }];
      expect(await deliver(repository, spool)).toMatchObject({ delivered: 1, dropped: 0, kept });
      expect(await namesIn(spool)).toEqual(names.slice(1));
      expect((await namesIn(target, "log/")).at(-1)).toBe(names[0]);
      // The next epoch goes on without it, in a log that is in order.
      made.clock.instant += 60_000;
      await (await Recording.begin(repository, made.clock)).tick();
      expect(await deliver(repository, spool)).toMatchObject({ delivered: 0, dropped: 0, kept });
      expect(await namesIn(spool)).toEqual(names.slice(1));
      const { report } = await verify(repository.store, { share: 0, random: () => 0 });
      expect(report.damage).toEqual([]);
    },
  );

  test("keeps a file that is no segment, and delivers the others", async () => {
    const { repository, spool, names } = await makeSpool(kindOf());
    await spool.put("log/00000001/notes.txt", Buffer.from("mine"));
    expect(await deliver(repository, spool)).toMatchObject({
      delivered: 3,
      kept: [{ name: "log/00000001/notes.txt", what: "its name is not that of a segment" }],
    });
    expect(await namesIn(spool)).toEqual(["log/00000001/notes.txt"]);
    expect(names).toHaveLength(3);
  });

  test("is delivered although one of it was damaged after it had come to the repository", async () => {
    const made = await makeSpool(kindOf());
    const { repository, target, names } = made;
    await target.put(names[0]!, await made.spool.get(names[0]!));
    const bytes = flipped(await made.spool.get(names[0]!));
    const spool = await copyOf(made.spool, { [names[0]!]: bytes });
    expect(await deliver(repository, spool)).toMatchObject({ delivered: 3, dropped: 0, kept: [] });
    expect(await namesIn(spool)).toEqual([]);
  });
});

test("a segment that is altered while it waits on the spool ends the capture, and is not delivered", async () => {
  const { target, spool, names } = await makeSpool(plain);
  const bytes = await spool.get(names[0]!);
  const waiting = new MemoryStore();
  let isAway = true;
  const store = new (class extends StoreLayer {
    override put(...args: Parameters<ObjectStore["put"]>) {
      return isAway ? Promise.reject(new StoreUnavailable("it is away")) : super.put(...args);
    }
  })(target);
  const clock = {
    now: () => 0,
    monotonicMs: () => 0,
    sleep: async (ms?: number, signal?: AbortSignal) => {
      // It has not answered: never.
      if (signal) await new Promise(() => undefined);
      expect(ms).toBeGreaterThan(0);
      await waiting.delete(names[0]!);
      await waiting.put(names[0]!, flipped(Buffer.from(bytes)));
      isAway = false;
    },
  };
  const log = { check: async () => undefined, note: () => undefined };
  const observer = {
    storeFails: () => undefined,
    storeIsBack: () => undefined,
    waits: () => undefined,
  };
  const kept = { store: waiting, bytesMax: 1e9 };
  const shipper = new RetryingShipper(store, log, clock, () => 0.5, kept, observer);
  await expect(shipper.ship(names[0]!, bytes)).rejects.toThrow(/was altered on the spool/);
  expect(await target.size(names[0]!)).toBeUndefined();
});
