import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { errorClasses, ReqlError, responseTypes } from "../../src/rethinkdb/response.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { scriptedChannel } from "./scripted-channel.js";

const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };
const refusal = {
  t: responseTypes.runtimeError,
  e: errorClasses.opFailed,
  r: ["Cannot subscribe to table: primary replica not available"],
  b: [],
};

/** A server that opens the first `feeds` feeds and refuses all others. */
function refusing(feeds: number) {
  let opened = 0;
  return scriptedChannel(({ query: [type, term] }, answer) => {
    const text = JSON.stringify(term ?? "");
    const isFeed = type === 1 && text.startsWith("[152,");
    const isFence = text.startsWith("[39,");
    const isOfKeys = text.startsWith("[33,");
    const rows = isOfKeys ? [] : text.includes("server_config") ? [{}] : [table.id];
    if (type === 2) return;
    if (isFence)
      answer({ t: responseTypes.partial, r: [{ state: "opened", table: table.id }], n: [] });
    else if (!isFeed) answer({ t: responseTypes.sequence, r: rows, n: [] });
    else if (opened < feeds) {
      opened += 1;
      answer({ t: responseTypes.partial, r: [], n: [] });
    } else answer(refusal);
  });
}

async function dialsOf(feedsThatOpen: number, openings: number): Promise<number> {
  // One more is for administration.
  let dials = -1;
  const dial = () => {
    dials += 1;
    return Promise.resolve(refusing(feedsThatOpen));
  };
  const source = new RethinkSource("a source", dial, systemClock);
  for (let i = 0; i < openings; i += 1) {
    const opening = source.openFeed(() => table);
    if (i < feedsThatOpen) await opening;
    else await expect(opening).rejects.toThrow(ReqlError);
  }
  source.close();
  return dials;
}

test("a connection on which a server refuses every feed is not used for the next opening", async () => {
  expect(await dialsOf(0, 3)).toBe(3);
});

test("one that has an open feed is", async () => {
  expect(await dialsOf(1, 4)).toBe(1);
});

test("a server that is left while the next connection fails costs no more than that connection", async () => {
  const channels = [refusing(1), refusing(1)];
  let fail: (error: Error) => void = () => undefined;
  const dial = () =>
    channels.length > 0
      ? Promise.resolve(channels.shift()!)
      : new Promise<never>((_, reject) => (fail = reject));
  const [, admin] = channels;
  const source = new RethinkSource("a source", dial, systemClock);
  const feed = await source.openFeed(() => table);
  admin!.destroy();
  await systemClock.sleep(1);
  const reading = source.readCatalog();
  feed.leaveServer();
  fail(new Error("refused"));
  await expect(reading).rejects.toThrow("refused");
  await systemClock.sleep(1);
  source.close();
});
