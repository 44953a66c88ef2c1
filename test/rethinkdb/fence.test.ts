/** What a chain of fences leaves open at the server. */
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { FenceChain } from "../../src/rethinkdb/fence.js";
import { errorClasses, responseTypes } from "../../src/rethinkdb/response.js";
import { TableReplaced } from "../../src/rethinkdb/table-reference.js";
import { scriptedChannel } from "./scripted-channel.js";

const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };
const failure = { t: responseTypes.runtimeError, e: errorClasses.opFailed, r: ["no"], b: [] };

/** A server on which fences can be opened, and fail when they are asked for their reads. */
function failing(
  open: Set<number>,
  onQuery: (term: string) => void = () => undefined,
  opened = table.id,
): Connection {
  return new Connection(
    scriptedChannel(({ token, query: [type, term] }, answer) => {
      const text = JSON.stringify(term ?? "");
      onQuery(text);
      if (type === 3) open.delete(token);
      else if (type === 2) {
        open.delete(token);
        answer(failure);
      } else if (text.includes("[152,")) {
        open.add(token);
        answer({ t: responseTypes.partial, r: [{ state: "opened", table: opened }], n: [] });
      } else if (text.startsWith("[33,")) answer({ t: responseTypes.sequence, r: [], n: [] });
      else answer({ t: responseTypes.atom, r: [table.id], n: [] });
    }),
  );
}

test("fences that fail do not add up", async () => {
  const open = new Set<number>();
  const chain = new FenceChain(
    failing(open),
    () => table,
    () => 0,
    () => performance.now(),
  );
  await chain.begin();
  for (let passes = 0; passes < 5; passes += 1) {
    await chain.pass(performance.now()).catch(() => undefined);
    expect(open.size).toBeLessThanOrEqual(2);
  }
  chain.close();
  expect(open.size).toBe(0);
});

test("where to lay fences is chosen once the feed is open, and not for each", async () => {
  let chosen = 0;
  const chain = new FenceChain(
    failing(new Set(), (term) => {
      // The union of what lies between first keys.
      if (term.startsWith("[33,[[44,")) chosen += 1;
    }),
    () => table,
    () => 0,
    () => performance.now(),
  );
  await chain.begin();
  expect(chosen).toBe(1);
  for (const expected of [2, 2]) {
    await systemClock.sleep(50);
    expect(await chain.pass(0)).toBeUndefined();
    await systemClock.sleep(50);
    chain.note(performance.now());
    expect(chosen).toBe(expected);
  }
  chain.close();
});

test("a fence over a table that had the name only when it was opened counts for nothing", async () => {
  const open = new Set<number>();
  const chain = new FenceChain(
    failing(open, undefined, "table-2"),
    () => table,
    () => 0,
    () => performance.now(),
  );
  await expect(chain.begin()).rejects.toThrow(TableReplaced);
  expect(open.size).toBe(0);
});
