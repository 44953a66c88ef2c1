import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity } from "age-encryption";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { encodeStored } from "../../src/format/json-object.js";
import { numberedName } from "../../src/format/names.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { lastKeyProofs, proveKey } from "../../src/sealing/key-proofs.js";
import {
  checkKeys,
  type Key,
  type KeySet,
  keySetKind,
  makeKeySet,
  mayWrite,
  openGroups,
  opensAs,
  putKeySet,
  signersOf,
  trustedKeySet,
} from "../../src/sealing/key-set.js";
import { linesOf, readKeyring, unseal } from "../../src/sealing/keyring.js";
import { MemoryStore } from "../../src/storage/memory-store.js";

const repository = "11111111-0000-4000-8000-000000000000";
const names = ["a", "b", "writer", "stranger"] as const;
let all: Record<(typeof names)[number], Identity>;
beforeAll(async () => {
  const made = names.map(async (name) => [name, identityOf(await generateX25519Identity())]);
  all = Object.fromEntries(await Promise.all(made)) as typeof all;
});

const keyOf = (name: (typeof names)[number], role: Key["role"] = "reader"): Key => {
  return { name, role, offline: false, ...all[name].public };
};

let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

async function put(number: number, keys: Key[], signers: Identity[], of = repository) {
  const set = makeKeySet({ repository: of, number, at: number, keys, former: [] }, signers);
  expect(await putKeySet(store, set)).toBe(true);
  return set;
}

const trusting = (...identities: Identity[]) =>
  trustedKeySet(store, repository, new Set(identities.map((one) => one.public.verify)));

describe("a key set", () => {
  test("counts for who trusts a key that has signed it, and for nobody else", async () => {
    await put(1, [keyOf("a"), keyOf("writer", "writer")], [all.a]);
    expect((await trusting(all.a)).number).toBe(1);
    expect((await trusting(all.stranger, all.a)).number).toBe(1);
    for (const others of [[], [all.writer], [all.stranger], [all.b]]) {
      await expect(trusting(...others)).rejects.toThrow(
        /key set 1 .* not signed by a key that is trusted/,
      );
    }
  });

  test("counts if a reader of the one before has signed it, from one that is trusted on", async () => {
    await put(1, [keyOf("a")], [all.a]);
    await put(2, [keyOf("a"), keyOf("b")], [all.a]);
    await put(3, [keyOf("b")], [all.b]);
    expect((await trusting(all.a)).number).toBe(3);
    // Who was added later is told to trust the first reader.
    await expect(trusting(all.b)).rejects.toThrow(/key set 1/);
    // A reader that was removed changes nothing any more, even for who trusts it.
    await put(4, [keyOf("a"), keyOf("b")], [all.a]);
    await expect(trusting(all.a)).rejects.toThrow(/key set 4/);
    await expect(trusting(all.a, all.b)).rejects.toThrow(/key set 4/);
  });

  test.each([
    ["a writer", () => all.writer],
    ["a stranger", () => all.stranger],
  ])("does not count if %s has signed it", async (_, signer) => {
    await put(1, [keyOf("a"), keyOf("writer", "writer")], [all.a]);
    await put(2, [keyOf("a"), keyOf("stranger")], [signer()]);
    await expect(trusting(all.a)).rejects.toThrow(/key set 2/);
  });

  test("does not count if a field of it is altered, or if it is of another repository", async () => {
    const set = await put(1, [keyOf("a"), keyOf("b")], [all.a]);
    const alterations: Partial<KeySet>[] = [
      { at: 2 },
      { keys: [keyOf("a"), keyOf("stranger")] },
      { keys: [keyOf("a"), keyOf("b"), keyOf("writer")] },
      { former: [{ name: "x", role: "reader", verify: all.stranger.public.verify }] },
      { groups: makeKeySet(set, [all.a]).groups },
      { signatures: [{ by: all.a.public.verify, signature: "00".repeat(64) }] },
      { signatures: [{ ...set.signatures[0]!, by: all.b.public.verify }] },
      { signatures: [] },
    ];
    for (const altered of alterations) {
      const other = new MemoryStore();
      await other.put(numberedName("keys/", 1), encodeStored(keySetKind, { ...set, ...altered }));
      const trusted = new Set([all.a.public.verify, all.b.public.verify]);
      await expect(
        trustedKeySet(other, repository, trusted),
        JSON.stringify(altered),
      ).rejects.toThrow(/not signed by a key that is trusted/);
    }
    await expect(
      trustedKeySet(store, repository.replace("1", "2"), new Set([all.a.public.verify])),
    ).rejects.toThrow(/of another repository/);
  });

  test("of which the one before is lost is refused, and the lost one named", async () => {
    await put(1, [keyOf("a")], [all.a]);
    await put(2, [keyOf("a"), keyOf("b")], [all.a]);
    await put(3, [keyOf("b")], [all.b]);
    await store.delete(numberedName("keys/", 2));
    await expect(trusting(all.a)).rejects.toThrow(/keys\/0000000002\.json/);
    await expect(trusting(all.a, all.b)).rejects.toThrow(/keys\/0000000002\.json/);
  });

  test("names whose signatures on objects count: present and former keys", () => {
    const former = [{ name: "gone", role: "writer" as const, verify: all.stranger.public.verify }];
    const content = { repository, number: 1, at: 1, keys: [keyOf("a"), keyOf("writer", "writer")] };
    const signers = signersOf(makeKeySet({ ...content, former }, [all.a]));
    expect(signers).toEqual(
      new Map([
        [all.stranger.public.verify, "writer"],
        [all.a.public.verify, "reader"],
        [all.writer.public.verify, "writer"],
      ]),
    );
  });

  test("has a group that its readers open, and one that its writers open too", async () => {
    const set = await put(1, [keyOf("a"), keyOf("b"), keyOf("writer", "writer")], [all.a]);
    const opened = names.map((name) => openGroups(set, [all[name]]));
    expect(opened.map(({ readers }) => readers?.length)).toEqual([1, 1, undefined, undefined]);
    expect(opened.map(({ everybody }) => everybody?.length)).toEqual([1, 1, 1, undefined]);
    expect(names.map((name) => opensAs("reader", set, all[name]))).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(opensAs("writer", set, all.writer)).toBe(true);
  });

  test("gives a key that is added what was before, and one that is removed nothing that comes", () => {
    const next = (before: KeySet, keys: Key[]) =>
      makeKeySet({ ...before, number: before.number + 1, keys }, [all.a], before);
    const recipients = (set: KeySet) => [
      set.groups.readers.recipient,
      set.groups.everybody.recipient,
    ];
    const content = { repository, number: 1, at: 1, former: [] };
    const first = makeKeySet({ ...content, keys: [keyOf("a"), keyOf("writer", "writer")] }, [
      all.a,
    ]);
    const grown = next(first, [...first.keys, keyOf("b"), keyOf("stranger", "writer")]);
    expect(recipients(grown)).toEqual(recipients(first));
    expect(openGroups(grown, [all.b]).readers).toHaveLength(1);
    expect(openGroups(grown, [all.stranger])).toMatchObject({ readers: undefined });
    const without = (before: KeySet, name: string) =>
      next(
        before,
        before.keys.filter((key) => key.name !== name),
      );
    // A writer that leaves knows nothing of the readers.
    const shrunk = without(grown, "writer");
    const [readers, everybody] = recipients(shrunk);
    expect(readers).toBe(recipients(first)[0]);
    expect(everybody).not.toBe(recipients(first)[1]);
    expect(openGroups(shrunk, [all.writer])).toEqual({ readers: undefined, everybody: undefined });
    const last = without(shrunk, "b");
    expect(recipients(last)).not.toContain(readers);
    expect(recipients(last)).not.toContain(everybody);
    expect(openGroups(last, [all.b])).toEqual({ readers: undefined, everybody: undefined });
    const opened = openGroups(last, [all.a]);
    const texts = (of: { public: { recipient: string } }[]) =>
      of.map((one) => one.public.recipient);
    expect(texts(opened.readers as never)).toEqual([recipients(last)[0], readers]);
    expect(texts(opened.everybody as never)).toEqual([
      recipients(last)[1],
      everybody,
      recipients(first)[1],
    ]);
    // Who was a reader and becomes a writer leaves the readers alone.
    const demoted = next(last, [...last.keys.slice(0, 1), keyOf("b")]);
    const again = next(demoted, [demoted.keys[0]!, { ...keyOf("b"), role: "writer" }]);
    expect(recipients(again)[0]).not.toBe(recipients(demoted)[0]);
    expect(recipients(again)[1]).toBe(recipients(demoted)[1]);
  });

  test("is damaged, and named, if a group is sealed for another than it gives", () => {
    const keys = [keyOf("a"), keyOf("writer", "writer")];
    const content = { repository, number: 7, at: 1, keys, former: [] };
    const [set, other] = [makeKeySet(content, [all.a]), makeKeySet(content, [all.a])];
    const { everybody } = set.groups;
    const mixed = { ...everybody, recipient: other.groups.everybody.recipient };
    const bytes = Buffer.from(everybody.identities, "base64");
    bytes[bytes.length - 1]! ^= 1;
    const altered = { ...everybody, identities: bytes.toString("base64") };
    for (const wrong of [mixed, altered, { ...everybody, identities: "" }]) {
      const of = { ...set, groups: { ...set.groups, everybody: wrong } };
      expect(() => openGroups(of, [all.writer])).toThrow(
        /keys\/0000000007\.json is damaged: .*everybody/,
      );
      expect(opensAs("writer", of, all.writer)).toBe(false);
    }
    expect(() => makeKeySet({ ...content, number: 8 }, [all.writer], set)).toThrow(/readers/);
  });

  test("is refused if nobody could read, or nobody change it", () => {
    const { verify: _, ...mute } = keyOf("a");
    for (const keys of [
      [],
      [keyOf("writer", "writer")],
      [keyOf("a"), { ...keyOf("b"), name: "a" }],
      [keyOf("a"), { ...keyOf("a"), name: "c" }],
      [mute],
    ]) {
      expect(() => checkKeys(keys)).toThrow(/this is no key set/);
    }
    checkKeys([keyOf("a"), { ...mute, name: "d", recipient: all.b.public.recipient }]);
  });
});

test("a key file that says whom to trust does not trust its own key", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  try {
    const secret = await generateX25519Identity();
    const own = identityOf(secret).public.verify;
    const [plain, told] = [join(directory, "plain"), join(directory, "told")];
    await writeFile(plain, `# made by hand\n${secret}\n`);
    await writeFile(told, `# trust: ${all.a.public.verify}\n${secret}\n`);
    expect((await readKeyring([plain])).trusted).toEqual(new Set([own]));
    expect((await readKeyring([told])).trusted).toEqual(new Set([all.a.public.verify]));
    const given = await readKeyring([plain], [all.b.public.verify]);
    expect(given.trusted).toEqual(new Set([all.b.public.verify]));
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a key file that names repositories opens no other one", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  try {
    const secret = await generateX25519Identity();
    const own = identityOf(secret);
    const keys = [{ name: "a", role: "reader" as const, offline: false, ...own.public }];
    const set = makeKeySet({ repository, number: 1, at: 1, keys, former: [] }, [own]);
    await putKeySet(store, set);
    const keyringOf = async (...lines: string[][]) => {
      const files = lines.map((_, i) => join(directory, String(i)));
      for (const [i, of] of lines.entries()) {
        await writeFile(files[i]!, [...of, secret, ""].join("\n"));
      }
      return readKeyring(files);
    };
    const [ours, other] = linesOf({ repositories: [repository, "another"] }) as [string, string];
    for (const lines of [[[]], [[ours]], [[other, ours]], [[other], [ours]], [[], [ours]]]) {
      await expect(unseal(store, repository, await keyringOf(...lines))).resolves.toBeDefined();
    }
    for (const lines of [[[other]], [[other], []]]) {
      const error: unknown = await unseal(store, repository, await keyringOf(...lines)).catch(
        (caught: unknown) => caught,
      );
      expect(error).toMatchObject({
        code: "usage",
        message: expect.stringMatching(/for another repository .*1{8}.*: for another$/) as string,
        hint: expect.stringContaining(ours) as string,
      });
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a writer may write what a capture writes, and nothing else", () => {
  const written = [
    "writers/1",
    "log/1/x",
    "lanes/2/log/1/x",
    "bases/t/1/x",
    "alarms/1",
    "members/a-1",
    "marks/1-a",
    "audit/1-a-1",
  ];
  for (const name of written) expect(mayWrite("writer", name), name).toBe(true);
  const others = [
    "settings/1",
    "expiries/1",
    "folded/x/manifest.json",
    "pins/1",
    "evidence/t/1",
    "tokens/1",
  ];
  for (const name of [
    ...others,
    "lanes/1/folded/x",
    "lanes/1/repository.json",
    "bundles/1",
    "x/log/1",
  ]) {
    expect(mayWrite("writer", name), name).toBe(false);
    expect(mayWrite("reader", name), name).toBe(true);
  }
});

describe("a proof of a key", () => {
  test("is made by who holds a reader, and by nobody else", async () => {
    const set = await put(1, [keyOf("a"), keyOf("writer", "writer")], [all.a]);
    await proveKey(store, set, all.a, 1000);
    await proveKey(store, set, all.a, 3000);
    expect(await lastKeyProofs(store, repository)).toEqual(new Map([[all.a.public.verify, 3000]]));
    for (const other of [all.writer, all.stranger]) {
      await expect(proveKey(store, set, other, 1)).rejects.toThrow(
        /does not open what key set 1 has for readers/,
      );
    }
  });

  test("that somebody else wrote, or altered, does not count", async () => {
    const set = await put(1, [keyOf("a")], [all.a]);
    await proveKey(store, set, all.a, 1000);
    const [name] = (await namesIn(store)).filter((one) => one.startsWith("keys/proofs/"));
    const later = name!.replace("000000000001000", "000000000009000");
    await store.put(later, await store.get(name!));
    // The newest does not say when it was made as its name does; it is no proof of then.
    expect((await lastKeyProofs(store, repository)).get(all.a.public.verify)).toBe(1000);
    expect(await lastKeyProofs(store, "another")).toEqual(new Map());
  });
});

async function namesIn(of: MemoryStore): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of of.list("")) found.push(name);
  return found;
}
