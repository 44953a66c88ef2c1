/** A source that knows several servers, of which some are cut off from those that serve a table. */
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Channel, DialOptions } from "../../src/rethinkdb/channel.js";
import { errorClasses, ReqlError, responseTypes } from "../../src/rethinkdb/response.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { scriptedChannel } from "./scripted-channel.js";

const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };
const unavailable = {
  t: responseTypes.runtimeError,
  e: errorClasses.opFailed,
  r: ["Cannot perform read: primary replica for shard not available"],
  b: [],
};

/** Servers at addresses, in their order, and what the source does about them. */
class FakeServers {
  readonly dialled: [where: string, options: DialOptions][] = [];
  readonly noted: string[] = [];
  private order: string[];

  /** @param cutOff the addresses of servers that do not reach those that serve the table */
  constructor(
    addresses: string[],
    private readonly cutOff: string[],
    private readonly strangers: string[] = [],
  ) {
    this.order = addresses;
  }

  readonly dial = (options: DialOptions = {}): Promise<Channel> => {
    const { avoid = [], only } = options;
    const where = this.order.find((one) => !avoid.includes(one) && (!only || one === only));
    if (where === undefined) return Promise.reject(new Error("there is no other server"));
    this.dialled.push([where, options]);
    return Promise.resolve(this.channel(where));
  };

  private channel(where: string): Channel {
    const isCutOff = this.cutOff.includes(where);
    const channel = scriptedChannel(({ query: [type, term] }, answer) => {
      const text = JSON.stringify(term ?? "");
      if (type === 5) answer({ t: responseTypes.serverInfo, r: [{ id: `id of ${where}` }] });
      else if (type === 1 && text.includes("_config")) {
        const id = this.strangers.includes(where) ? "another" : "known";
        answer({ t: responseTypes.sequence, r: [id], n: [] });
      } else if (type === 1 && isCutOff) answer(unavailable);
      else if (text.startsWith("[152,")) answer({ t: responseTypes.partial, r: [], n: [] });
      else if (text.startsWith("[39,")) {
        answer({ t: responseTypes.partial, r: [{ state: "opened", table: table.id }], n: [] });
      } else if (text.startsWith("[33,")) answer({ t: responseTypes.sequence, r: [], n: [] });
      else if (type === 1) answer({ t: responseTypes.sequence, r: [table.id], n: [] });
    });
    const blame = () => {
      this.noted.push(`${where} is blamed`);
      this.order = [...this.order.filter((one) => one !== where), where];
    };
    const prefer = () => {
      this.noted.push(`${where} is preferred`);
      this.order = [where, ...this.order.filter((one) => one !== where)];
    };
    return { ...channel, where, blame, prefer };
  }
}

test("a feed that a server cannot open, because it reaches nobody, is opened through the first that does", async () => {
  const servers = new FakeServers(["a", "b", "c"], ["a", "b"]);
  const source = new RethinkSource("a source", servers.dial, systemClock);
  await expect(source.openFeed(() => table)).rejects.toThrow(ReqlError);
  // The second one is cut off too.
  expect(servers.noted).toEqual(["c is preferred", "a is blamed"]);
  await source.openFeed(() => table);
  expect(servers.dialled.filter(([, options]) => !options.avoid).at(-1)![0]).toBe("c");
  source.close();
});

test("if no server reaches them, the one in use is kept", async () => {
  const servers = new FakeServers(["a", "b"], ["a", "b"]);
  const source = new RethinkSource("a source", servers.dial, systemClock);
  await expect(source.openFeed(() => table)).rejects.toThrow(ReqlError);
  expect(servers.noted).toEqual([]);
  source.close();
});

test("a table is scanned through the server that its feed comes from", async () => {
  const servers = new FakeServers(["a", "b"], []);
  const source = new RethinkSource("a source", servers.dial, systemClock);
  await source.openFeed(() => table);
  const { signal } = new AbortController();
  const stamp = () => ({ time: 1, sequence: 1 });
  const scan = source.scan(table, { signal, stamp })[Symbol.asyncIterator]();
  await scan.next().catch(() => undefined);
  expect(servers.dialled.at(-1)).toEqual(["a", { only: "a" }]);
  source.close();
});

test("a server of another cluster is named and left", async () => {
  const servers = new FakeServers(["stranger", "b"], [], ["stranger"]);
  const source = new RethinkSource("a source", servers.dial, systemClock);
  source.recognise(["known"]);
  await expect(source.openFeed(() => table)).rejects.toThrow("answers at stranger");
  expect(servers.noted).toEqual(["stranger is blamed"]);
  await source.openFeed(() => table);
  expect(servers.dialled.at(-1)![0]).toBe("b");
  source.close();
});
