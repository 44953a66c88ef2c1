/** `diff` of instants that are not exact, as JSON of any length, and with a hold on what it reads. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { decodeStored, type Stored } from "../../src/format/json-object.js";
import { formatInstant, type Instant } from "../../src/instant.js";
import { holdKind } from "../../src/repository/registers/holds.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const rowCount = 400;
const filler = "x".repeat(500);

let repo: string;
/** A proof; the next one, 5 s later; the end of the gap that began there; and the end of the log. */
let proven: Instant;
let provenAgain: Instant;
let back: Instant;
let end: Instant;

type Hold = Stored<typeof holdKind>;

interface Side {
  class: string;
  lateMs: number | null;
  reason: string | null;
}
interface Result {
  from: string;
  to: string;
  classes: { from: Side; to: Side | null };
  added: number;
  removed: number;
  changed: number;
  documents: { key: number; fields: object[] }[];
}

beforeAll(async () => {
  repo = await mkdtemp(join(tmpdir(), "thinkback-diff-"));
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 600_000));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id: table, db: "shop", name: "orders", primary_key: "id", shards, ...settings };
  recording.catalog(["table", table], config);
  const rows = (n: number, filled = "") =>
    Array.from({ length: rowCount }, (_, id): [number, object] => [id, { filled, id, n }]);
  const copy = async (of: [number, object][]) => {
    const since = recording.log.stamp().time;
    recording.coverage(table, { state: "copying", since });
    const base = await recording.copy(table, of);
    const copied = await recording.tick();
    await base.finish(copied, since - 1);
    recording.coverage(table, { state: "live", since: copied });
    return copied;
  };
  await copy(rows(0));
  proven = await recording.tick();
  for (const id of [1, 2, 3]) recording.put(table, id, { filled: "", id, n: 1 });
  await recording.tick(1000);
  provenAgain = await recording.tick(4000);
  const lateOnes = { since: proven + 1, to: provenAgain - 500, lateMs: 4900 };
  recording.coverage(table, { state: "late", ...lateOnes });
  recording.coverage(table, { state: "gap", since: provenAgain, reason: "cut off" });
  await recording.tick();
  back = await copy(rows(2, filler));
  recording.put(table, 7, null);
  end = await recording.tick(1000, { closed: true });
});

afterAll(() => rm(repo, { recursive: true, force: true }));

async function diff(from: Instant, to: Instant, ...more: string[]) {
  const writes: string[] = [];
  let stderr = "";
  const streams = {
    stdout: { write: (text: string | Uint8Array) => writes.push(Buffer.from(text).toString()) },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const stretch = ["--from", formatInstant(from), "--to", formatInstant(to)];
  const args = ["diff", "shop.orders", ...stretch, "--repo", repo, ...more];
  const status = await runCommandLine(args, streams);
  return { status, writes, stderr, stdout: writes.join("") };
}

async function result(from: Instant, to: Instant, ...more: string[]): Promise<Result> {
  const { status, stdout, stderr } = await diff(from, to, "--json", ...more);
  expect([status, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Result;
}

const exact = { class: "exact", reason: null, lateMs: null };

test("to an instant that is late: refused without a flag, and the class is named with it", async () => {
  const late = provenAgain - 1000;
  const { status, stderr } = await diff(proven, late);
  expect(status).toBe(5);
  expect(stderr).toMatch(/that instant is late by up to \d\.\d s .*\n.*; or give --allow-inexact/);
  const found = await result(proven, late, "--allow-inexact");
  expect(found).toMatchObject({ added: 0, removed: 0, changed: 3, to: formatInstant(late) });
  expect(found.classes.from).toEqual(exact);
  expect(found.classes.to).toMatchObject({ class: "late" });
  expect(found.classes.to!.lateMs).toBeGreaterThan(2000);
  const { stdout } = await diff(proven, late, "--allow-inexact");
  expect(stdout).toMatch(/ to 2\S+ \(late by up to \d\.\d s\): 0 added, 0 removed, 3 changed\n/);
});

test("to an instant in a gap: the state before it, or after it", async () => {
  const inside = provenAgain + 500;
  const refused = await diff(proven, inside);
  expect(refused.status).toBe(5);
  expect(refused.stderr).toContain("--gap before or --gap after");
  const before = await result(proven, inside, "--gap", "before");
  expect(before).toMatchObject({ changed: 3, to: formatInstant(provenAgain) });
  expect(before.classes.to).toMatchObject({ class: "gap", reason: "cut off" });
  const after = await result(proven, inside, "--gap", "after");
  expect(after).toMatchObject({ changed: rowCount, to: formatInstant(back) });
  expect(after.classes.to).toMatchObject({ class: "gap" });
  const wrong = await diff(proven, inside, "--gap", "both");
  expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining("--gap both")]);
});

test("as JSON of many documents: all of them, in parts as they are found", async () => {
  const found = await result(proven, end);
  expect(found).toMatchObject({ added: 0, removed: 1, changed: rowCount - 1 });
  expect(found.classes).toEqual({ from: exact, to: exact });
  expect(found.documents.map(({ key }) => key)).toEqual([...Array(rowCount).keys()]);
  const { writes, stdout } = await diff(proven, end, "--json");
  expect(stdout.length).toBeGreaterThan(rowCount * filler.length);
  expect(Math.max(...writes.map((text) => text.length))).toBeLessThan(65_536 + 4 * filler.length);
  const none = await result(end, end);
  expect(none).toMatchObject({ added: 0, removed: 0, changed: 0, documents: [] });
});

test("as JSON of the first few documents, or of none: the counts are those of all", async () => {
  const few = await result(proven, end, "--limit", "3");
  expect(few).toMatchObject({ added: 0, removed: 1, changed: rowCount - 1 });
  expect(few.documents.map(({ key }) => key)).toEqual([0, 1, 2]);
  const counts = await result(proven, end, "--limit", "0");
  expect(counts).toMatchObject({ added: 0, removed: 1, changed: rowCount - 1, documents: [] });
});

test("what is read is held until the end", async () => {
  const store = DirectoryStore.prototype;
  const held: Hold[] = [];
  const [putting, opening, deleting] = [
    vi.spyOn(store, "put"),
    vi.spyOn(store, "tail"),
    vi.spyOn(store, "delete"),
  ];
  try {
    expect((await diff(proven, end)).status).toBe(0);
    const order = (
      of: { mock: { calls: unknown[][]; invocationCallOrder: number[] } },
      name: RegExp,
    ) => of.mock.invocationCallOrder.filter((_, i) => name.test(String(of.mock.calls[i]![0])));
    const parts = order(opening, /^bases\/.*\/part-/);
    expect(parts.length).toBeGreaterThan(0);
    const placed = order(putting, /^holds\//)[0]!;
    const ended = order(deleting, /^holds\//)[0]!;
    expect(placed).toBeLessThan(Math.min(...parts));
    expect(ended).toBeGreaterThan(Math.max(...parts));
    for (const [name, bytes] of putting.mock.calls) {
      held.push(decodeStored(Buffer.from(bytes), name, holdKind));
    }
  } finally {
    vi.restoreAllMocks();
  }
  expect(held.map(({ at }) => at)).toContain(proven);
});
