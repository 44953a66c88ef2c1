/** Plans as files: what is written is what is read, by tables; and what is not whole is refused. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { orderCode } from "../../src/key-order.js";
import { changesInPlan, PlanWriter, readPlan } from "../../src/recovery/plan-file.js";
import type { DocumentChange } from "../../src/repository/records/operations.js";
import { json } from "../repository/recording.js";

const head = {
  id: "0123abcd",
  type: "undo" as const,
  repository: "r",
  made: 1000,
  description: "of a test",
};
const reference = (name: string) => ({ id: `id of ${name}`, db: "shop", name, primaryKey: "id" });
const change = (key: unknown, before: unknown, after: unknown): DocumentChange => {
  const text = (of: unknown) => (of === null ? null : json(of));
  return { code: orderCode(json(key)), key: json(key), before: text(before), after: text(after) };
};
/** Characters at which readers of lines may cut, and what looks like a line of the file. */
const awkward = '\u2028\u0085\r\n],"documents":7}\ud800';
const changes: Record<string, DocumentChange[]> = {
  orders: [change(1, { id: 1 }, null), change(2, null, { id: 2, awkward })],
  empty: [],
  carts: [change('{"table":', { id: awkward }, { id: awkward, n: 1 })],
};

const tail = { estimate: { seconds: 1.5 }, conflicts: [], conflictCount: 0, overwritten: false };

let directory: string;
let path: string;
let count = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-plan-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

beforeEach(async () => {
  path = join(directory, `${(count += 1)}.json`);
  const writer = await PlanWriter.create(path, head);
  for (const [name, of] of Object.entries(changes)) {
    await writer.begin(reference(name));
    for (const one of of) await writer.add(one);
  }
  await writer.finish(tail);
});

test("a plan gives back what was written, table by table", async () => {
  const plan = await readPlan(path);
  expect(plan).toMatchObject({ ...head, estimatedSeconds: 1.5 });
  expect(plan.tables.map(({ id, name, documents }) => ({ id, name, documents }))).toEqual([
    { id: "id of orders", name: "shop.orders", documents: 2 },
    { id: "id of empty", name: "shop.empty", documents: 0 },
    { id: "id of carts", name: "shop.carts", documents: 1 },
  ]);
  const read: Record<string, DocumentChange[]> = {};
  for (const of of plan.tables) {
    const own: DocumentChange[] = [];
    for await (const one of changesInPlan(path, of)) own.push(one);
    read[of.name.slice("shop.".length)] = own;
  }
  expect(read).toEqual(changes);
});

test("a plan is one JSON object that only its owner may read", async () => {
  const content = JSON.parse(await readFile(path, "utf8")) as {
    version: number;
    documents: number;
    tables: { name: string; changes: unknown[]; documents: number }[];
  };
  expect(content).toMatchObject({ version: 2, documents: 3 });
  expect(content.tables.map((of) => [of.name, of.changes.length, of.documents])).toEqual([
    ["shop.orders", 2, 2],
    ["shop.empty", 0, 0],
    ["shop.carts", 1, 1],
  ]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a plan without a table can be read", async () => {
  const empty = join(directory, "empty.json");
  const writer = await PlanWriter.create(empty, head);
  await writer.finish(tail);
  expect((await readPlan(empty)).tables).toEqual([]);
});

test("a plan that is cut anywhere, or altered in one byte, is refused", async () => {
  const bytes = await readFile(path);
  const damaged = join(directory, "damaged.json");
  const reads = async (of: Buffer) => {
    await writeFile(damaged, of);
    return readPlan(damaged).then(
      () => true,
      (error: unknown) => {
        expect(error).toMatchObject({ code: "usage" });
        return false;
      },
    );
  };
  // Without its last newline it is whole.
  for (let length = 0; length < bytes.length - 1; length += 7) {
    expect(await reads(bytes.subarray(0, length)), `cut at ${length}`).toBe(false);
  }
  for (let at = 0; at < bytes.length - 1; at += 5) {
    const altered = Buffer.from(bytes);
    altered[at]! ^= 1;
    expect(await reads(altered), `altered at ${at}`).toBe(false);
  }
  expect(await reads(bytes)).toBe(true);
});

test.each([
  ['{"thinkback":"plan","version":1,"id":"0123abcd","changes":[\n],"documents":0}\n', "version 1,"],
  ['{"thinkback":"plan","version":3,"later":[\n]}\n', "version 3,"],
  ['{"thinkback":"operation","version":2}\n', "not a plan"],
  ["[]\n", "not a plan"],
  ["", "not a plan"],
])("what is no plan of this version is refused: %j", async (text, why) => {
  const other = join(directory, "other.json");
  await writeFile(other, text);
  await expect(readPlan(other)).rejects.toThrow(why);
});

test.each([
  ["exchanged", [2, 1]],
  ["the same key twice", [1, 1]],
])("a plan with two changes %s is refused, though its checksum is right", async (_, keys) => {
  const other = join(directory, `${(count += 1)}.json`);
  const writer = await PlanWriter.create(other, head);
  await writer.begin(reference("orders"));
  for (const key of keys) await writer.add(change(key, { id: key }, null));
  await writer.finish(tail);
  await expect(readPlan(other)).rejects.toMatchObject({
    code: "usage",
    message: expect.stringContaining("not in key order") as string,
  });
});
