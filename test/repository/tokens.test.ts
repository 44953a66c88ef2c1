/** Tokens of the HTTP API and the audit, as they are stored. */
import { expect, test } from "vitest";
import { auditFrom } from "../../src/format/names.js";
import { AuditWriter, endedAudit, listAudit } from "../../src/repository/records/audit.js";
import {
  createToken,
  hashOf,
  isInForce,
  listTokens,
  parseTokenText,
  revokeToken,
} from "../../src/repository/registers/tokens.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { namesIn, StillClock } from "./recording.js";

const anna = { name: "anna", role: "operator" as const, expiresAt: 5000 };

test("the secret of a token is in its text, and nowhere in the store", async () => {
  const store = new MemoryStore();
  const { token, text } = await createToken(store, anna, 1000);
  const { id, secret } = parseTokenText(text)!;
  expect(text).toBe(`thinkback_${token.id}_${secret}`);
  expect([id, hashOf(secret)]).toEqual([token.id, token.hash]);
  for (const name of await namesIn(store)) {
    expect((await store.get(name)).toString()).not.toContain(secret);
  }
  const other = await createToken(store, { ...anna, name: "bert" }, 1000);
  expect(other.text).not.toBe(text);
});

test("a token counts until it expires or is revoked, and a name has one that counts", async () => {
  const store = new MemoryStore();
  const { token } = await createToken(store, anna, 1000);
  expect([4999, 5000].map((now) => isInForce(token, now))).toEqual([true, false]);
  await expect(createToken(store, anna, 4999)).rejects.toMatchObject({ code: "usage" });
  // The one of that name that counts is meant.
  const next = await createToken(store, anna, 5000);
  await expect(revokeToken(store, "nobody", 1)).rejects.toMatchObject({ code: "unknown" });
  const revoked = await revokeToken(store, "anna", 1);
  expect(revoked).toMatchObject({ id: token.id, revoked: true, number: 2 });
  expect(await revokeToken(store, token.id, 6000)).toMatchObject(revoked);
  const all = new Map((await listTokens(store)).map((one) => [one.id, one.revoked]));
  expect(all).toEqual(
    new Map([
      [token.id, true],
      [next.token.id, false],
    ]),
  );
});

test.each(["", "Anna", "a b", "-a", "a".repeat(101), "a/b"])("%j is no name", async (name) => {
  const made = createToken(new MemoryStore(), { ...anna, name }, 1);
  await expect(made).rejects.toMatchObject({ code: "usage" });
});

test.each(["", "thinkback_", "thinkback_0123abcd_", `Thinkback_0123abcd_${"a".repeat(43)}`])(
  "%j is no token",
  (text) => expect(parseTokenText(text)).toBeUndefined(),
);

test("the audit is listed from an instant on, and ends after a year", async () => {
  const [store, clock] = [new MemoryStore(), new StillClock(1000)];
  const audit = new AuditWriter(store, clock);
  const entry = { actor: { name: "anna", via: "api" as const }, over: {}, address: "::1" };
  for (const what of ["first", "second"]) await audit.write({ ...entry, what, outcome: "done" });
  clock.instant = 2000;
  await audit.write({ ...entry, what: "third", outcome: "done" });
  const whats = async (after: string, countMax = 9) =>
    (await listAudit(store, after, countMax)).map(({ entry: { what } }) => what);
  expect(await whats("")).toEqual(["first", "second", "third"]);
  expect(await whats("", 2)).toEqual(["first", "second"]);
  const [, second] = await listAudit(store, "", 9);
  expect(await whats(second!.name)).toEqual(["third"]);
  expect(await whats(auditFrom(1001))).toEqual(["third"]);
  expect(await whats(auditFrom(1000))).toEqual(["first", "second", "third"]);
  const yearMs = 366 * 86_400_000;
  expect(await endedAudit(store, 1000 + yearMs)).toEqual([]);
  expect(await endedAudit(store, 1001 + yearMs)).toHaveLength(2);
});
