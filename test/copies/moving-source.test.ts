/** A listing is no snapshot: what is put while it goes on is on it or not, by its name. The copy is sound all the same. */
import { expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ListOptions, ObjectStore } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import {
  copyOf,
  foldUp,
  makeRepository,
  namesIn,
  Recording,
  StillClock,
} from "../repository/recording.js";
import { verifyRepository } from "../simulation/stored-objects.js";

const tables = ["0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"];

/** Lists name by name; something happens before each name from the `at`th of all that are listed on. */
class SlowListing extends StoreLayer {
  private listed = 0;

  constructor(
    below: ObjectStore,
    private readonly at: number,
    private readonly happen: () => Promise<void>,
  ) {
    super(below);
  }

  override async *list(prefix: string, options: ListOptions = {}) {
    let { after } = options;
    for (;;) {
      if (prefix === "") {
        this.listed += 1;
        if (this.listed >= this.at) await this.happen();
      }
      const rest = this.below.list(prefix, after === undefined ? {} : { after });
      const next = await firstOf(rest);
      if (!next) return;
      yield next;
      after = next.name;
    }
  }
}

async function firstOf<T>(of: AsyncIterable<T>): Promise<T | undefined> {
  for await (const one of of) return one;
  return undefined;
}

/** Calls `check` after each put. */
class CheckedStore extends StoreLayer {
  constructor(
    below: ObjectStore,
    private readonly check: () => Promise<void>,
  ) {
    super(below);
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    await this.check();
  }
}

/** Notes the order of puts. */
class OrderStore extends StoreLayer {
  readonly order: string[] = [];

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    this.order.push(name);
  }
}

test("whatever is put while the source is listed, no put at the target leaves damage", async () => {
  const store = new OrderStore(new MemoryStore());
  const repository = await makeRepository(store);
  const recording = await Recording.begin(repository, new StillClock());
  const copyTable = async (table: string) => {
    recording.coverage(table, { state: "copying", since: recording.clock.instant });
    const copy = await recording.copy(table, [[0, { id: 0 }]]);
    const since = await recording.tick(10);
    await copy.finish(since, since - 5);
    recording.coverage(table, { state: "live", since });
    await recording.tick(10);
  };
  recording.catalogRead();
  await copyTable(tables[0]!);
  const before = await copyOf(store);
  store.order.length = 0;
  await copyTable(tables[1]!);
  recording.put(tables[0]!, 1, { id: 1 });
  const until = await recording.tick();
  await foldUp(repository, until, [tables[0]!]);
  await recording.tick();
  const { order } = store;
  expect(order.length).toBeGreaterThan(9);
  const all = (await namesIn(store)).length;
  let puts = 0;
  for (let at = 1; at <= all + 1; at += 1) {
    // So many objects are put before each name that is listed.
    for (const atOnce of [1, 2, order.length]) {
      const source = await copyOf(before);
      const target = await copyOf(before);
      const left = [...order];
      const slow = new SlowListing(source, at, async () => {
        for (const name of left.splice(0, atOnce)) await source.put(name, await store.get(name));
      });
      const checked = new CheckedStore(target, async () => {
        puts += 1;
        await verifyRepository(target);
      });
      const copy = await RepositoryCopy.begin(slow, checked);
      await copy.run();
      // What was put after the listing had passed is on the next one.
      await copy.run();
      expect(await namesIn(target)).toEqual(await namesIn(source));
    }
  }
  expect(puts).toBeGreaterThan(200);
}, 60_000);
