/** What a round of maintenance says of what it finds damaged. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { maintainCommand } from "../../src/cli/maintain.js";
import { formatInstant } from "../../src/instant.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-maintain-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test("a deleted segment is one line, which names it, tables and how many more there are", async () => {
  const store = new DirectoryStore(directory);
  const recording = await Recording.begin(await makeRepository(store), new StillClock());
  recording.catalogRead();
  const ids = Array.from({ length: 6 }, (_, i) => `0${i}000000-0000-4000-8000-000000000001`);
  const since = recording.log.stamp().time;
  const bases = [];
  for (const [i, id] of ids.entries()) {
    recording.catalog(["table", id], { id, name: `orders_${i}`, db: "shop" });
    recording.coverage(id, { state: "copying", since });
    bases.push(await recording.copy(id, [["a", { id: "a" }]]));
  }
  const copied = await recording.tick();
  for (const base of bases) await base.finish(copied, since - 1);
  for (const id of ids) recording.coverage(id, { state: "live", since: copied });
  const before = await recording.tick();
  const lost = await recording.tick();
  await recording.tick();
  const name = (await namesIn(store, "log/")).find((one) => one.includes(String(lost)))!;
  await store.delete(name);
  const lines: string[] = [];
  let result = {};
  const output = {
    json: false,
    line: (text: string | Buffer) => void lines.push(text.toString()),
    note: () => undefined,
    paint: (_: string, text: string) => text,
    resultText: () => undefined,
    resultParts: () => Promise.resolve(),
    result: (value: object) => {
      result = value;
    },
  };
  const args = { repo: directory, foldEvery: "1h", grace: "15m", delete: true };
  await maintainCommand(args, output);
  const from = formatInstant(before + 1);
  const reason = "object log/00000001/… number 3 is missing";
  expect(lines.filter((line) => line.includes("DAMAGED"))).toEqual([
    `DAMAGED since ${from}, because ${reason}: shop.orders_0, shop.orders_1, shop.orders_2 and 3 more. ` +
      "A running capture copies these tables anew",
  ]);
  const tables = ids.map((_, i) => `shop.orders_${i}`);
  expect(result).toMatchObject({ damaged: [{ reason, since: from, tables }] });
});
