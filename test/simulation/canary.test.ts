/** Bugs planted on purpose. Each must be found; if one is not, the simulation is broken, not the code sound. */
import { afterEach, expect, test, vi } from "vitest";
import { Repair } from "../../src/capture/repair.js";
import { LogRanges } from "../../src/fold/log-ranges.js";
import { encodeJsonObject } from "../../src/repository/json-object.js";
import { openSegment, type WriterClaim } from "../../src/repository/log.js";
import { parseSegmentName, parseWriterName } from "../../src/repository/names.js";
import type { Feed, FeedBatch } from "../../src/rethinkdb/feed.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { overriding } from "./overriding.js";
import { type SimulationOptions, simulate } from "./simulation.js";

const seedsMax = 12;
const steps = 250;

afterEach(() => {
  vi.restoreAllMocks();
});

/** The violations of the first seed that has any. */
async function firstViolations(options: Omit<SimulationOptions, "seed" | "steps">) {
  for (let seed = 1; seed <= seedsMax; seed += 1) {
    const { violations } = await simulate({ seed, steps, ...options });
    if (violations.length > 0) return violations;
  }
  return [];
}

test("a repair that is skipped is found", { timeout: 120_000 }, async () => {
  const begin = Repair.begin.bind(Repair);
  vi.spyOn(Repair, "begin").mockImplementation((known) => begin(known, () => undefined));
  const violations = await firstViolations({});
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was/);
});

test("an overflow that is ignored is found", { timeout: 120_000 }, async () => {
  const violations = await firstViolations({ wrapSource: ignoringOverflows });
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was|broken version chain/);
});

test("an epoch that is believed too late is found", { timeout: 120_000 }, async () => {
  const violations = await firstViolations({ wrapStore: believingLateEpochs });
  expect(violations).not.toEqual([]);
});

test("a fold that keeps a part in which something changed is found", async () => {
  vi.spyOn(LogRanges.prototype, "next", "get").mockReturnValue(undefined);
  const violations = await firstViolations({});
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was|restores to something else/);
}, 120_000);

function ignoringOverflows(source: Source): Source {
  return overriding(source, {
    openFeed: async (table) => {
      const feed = await source.openFeed(table);
      return overriding<Feed>(feed, { batches: withoutOverflows(feed.batches) });
    },
  });
}

async function* withoutOverflows(batches: AsyncIterable<FeedBatch>): AsyncGenerator<FeedBatch> {
  for await (const batch of batches) {
    yield {
      forEach: (visit) =>
        batch.forEach((event) => {
          if (!("overflow" in event)) visit(event);
        }),
    };
  }
}

/** Nobody is fenced, and a claim seems to continue whatever older epochs have written by now. */
function believingLateEpochs(store: ObjectStore): ObjectStore {
  return overriding(store, {
    size: async (name) => (parseWriterName(name) === undefined ? store.size(name) : undefined),
    get: async (name, range) => {
      const bytes = await store.get(name, range);
      const epoch = parseWriterName(name);
      if (epoch === undefined) return bytes;
      const claim = JSON.parse(bytes.toString()) as WriterClaim;
      const previous = await lastOfOlder(store, epoch);
      return encodeJsonObject("writer", {
        epoch,
        started: claim.started,
        host: claim.host,
        process: claim.process,
        previous,
      });
    },
  });
}

async function lastOfOlder(store: ObjectStore, epoch: number): Promise<WriterClaim["previous"]> {
  const older: string[] = [];
  for await (const { name } of store.list("log/")) {
    if (parseSegmentName(name)!.epoch < epoch) older.push(name);
  }
  const last = older.at(-1);
  return last === undefined
    ? null
    : { name: last, checksum: (await openSegment(store, last)).checksum };
}
