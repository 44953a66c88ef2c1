/** What a chain of fences leaves open at the server. */
import { expect, test } from "vitest";
import { Connection } from "../../src/rethinkdb/connection.js";
import { FenceChain } from "../../src/rethinkdb/fence.js";
import { errorClasses, responseTypes } from "../../src/rethinkdb/response.js";
import { scriptedChannel } from "./scripted-channel.js";

const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };
const failure = { t: responseTypes.runtimeError, e: errorClasses.opFailed, r: ["no"], b: [] };

/** A server on which fences can be opened, and fail when they are asked for the rest of their keys. */
function failing(open: Set<number>): Connection {
  return new Connection(
    scriptedChannel(({ token, query: [type, term] }, answer) => {
      const text = JSON.stringify(term ?? "");
      if (type === 3) open.delete(token);
      else if (type === 2) {
        open.delete(token);
        answer(failure);
      } else if (text.includes("[152,")) {
        open.add(token);
        const r = [{ state: "initializing" }, { new_val: { id: 1 } }];
        answer({ t: responseTypes.partial, r, n: [] });
      } else if (text.startsWith("[33,[[182,")) answer({ t: responseTypes.sequence, r: [], n: [] });
      else answer({ t: responseTypes.atom, r: [table.id], n: [] });
    }),
  );
}

test("fences that fail do not add up", async () => {
  const open = new Set<number>();
  const chain = new FenceChain(
    failing(open),
    () => table,
    () => ({ changes: 0, bytes: 0 }),
    () => 1,
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
