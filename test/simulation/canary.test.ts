/** Bugs planted on purpose. Each must be found; if one is not, the simulation is broken, not the code sound. */
import { afterEach, expect, test, vi } from "vitest";
import { Frontier } from "../../src/capture/frontier.js";
import { Resync } from "../../src/capture/resync.js";
import { LogRanges } from "../../src/fold/log-ranges.js";
import { Thinning } from "../../src/fold/thinning.js";
import type { CoverageRecord } from "../../src/format/coverage-record.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import type { MergedLine } from "../../src/format/merge.js";
import {
  parseCopyUnique,
  parseManifestName,
  parseSegmentName,
  parseWriterName,
  pinsPrefix,
} from "../../src/format/names.js";
import { type EpochClaim } from "../../src/repository/log/claims.js";
import { openSegment } from "../../src/repository/log/log.js";
import type { Feed, FeedBatch } from "../../src/rethinkdb/feed.js";
import { r } from "../../src/rethinkdb/reql.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { WithoutStore } from "../../src/storage/without-store.js";
import { Leftovers } from "../../src/upkeep/leftovers.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { whyNotLong } from "../long.js";
import { overriding } from "./overriding.js";
import { type SimulationOptions, simulate } from "./simulation.js";

const seedsMax = 12;
const steps = 250;

afterEach(() => {
  vi.restoreAllMocks();
});

/**
 * The violations of the first seed that has any.
 * @param firstSeed one that is known to find it soon
 */
async function firstViolations(options: Omit<SimulationOptions, "seed">, firstSeed = 1) {
  for (let seed = firstSeed; seed < firstSeed + seedsMax; seed += 1) {
    const { violations } = await simulate({ seed, ...options });
    if (violations.length > 0) return violations;
  }
  return [];
}

test("a resync that is skipped is found", { timeout: 120_000 }, async () => {
  const begin = Resync.begin.bind(Resync);
  vi.spyOn(Resync, "begin").mockImplementation((known) => begin(known, () => undefined));
  const violations = await firstViolations({ steps });
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was/);
});

test("an overflow that is ignored is found", { timeout: 120_000 }, async () => {
  const violations = await firstViolations({ steps, wrapSource: ignoringOverflows }, 15);
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was|broken version chain/);
});

test("an epoch that is believed too late is found", { timeout: 120_000 }, async () => {
  const violations = await firstViolations({ steps, wrapStore: believingLateEpochs });
  expect(violations).not.toEqual([]);
});

test("a key that is decoded and encoded anew on its way into a request is found", async () => {
  const binary = r.binary.bind(r);
  vi.spyOn(r, "binary").mockImplementation((bytes) => binary(Buffer.from(bytes.toString("utf8"))));
  const violations = await firstViolations({ steps }, 2);
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was/);
}, 120_000);

test("a fold that keeps a part in which something changed is found", async () => {
  vi.spyOn(LogRanges.prototype, "next", "get").mockReturnValue(undefined);
  const violations = await firstViolations({ steps });
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was|restores to something else/);
}, 120_000);

test("a standstill that is not written down is found", { timeout: 120_000 }, async () => {
  const frontier = Frontier.prototype as unknown as Recording;
  const { record } = frontier;
  vi.spyOn(frontier, "record").mockImplementation(function (this: Recording, stream, told) {
    if (told.state !== "late") record.call(this, stream, told);
  });
  const violations = await firstViolations({ steps }, 8);
  expect(violations.join("\n")).toMatch(/restores .* as .*; it was|has .* as .*; it was/);
});

/** Days go by, and what is planted is found among them. */
const days = { steps: 64, maintain };

test.skipIf(whyNotLong !== undefined)(
  "a thinning that keeps the wrong version of a span is found",
  async () => {
    const thinning = Thinning.prototype as unknown as Shown;
    const { isShown } = thinning;
    vi.spyOn(thinning, "isShown").mockImplementation(function (this: Shown, held, next) {
      return !isShown.call(this, held, next);
    });
    const violations = await firstViolations(days, 4);
    expect(violations.join("\n")).toMatch(/restores .* as .*; it was|restores to something else/);
  },
  120_000,
);

test.skipIf(whyNotLong !== undefined)(
  "a thinning that drops the versions that a pin shows is found",
  async () => {
    const thinning = Thinning.prototype as unknown as Shown;
    const { isShown } = thinning;
    vi.spyOn(thinning, "isShown").mockImplementation(function (this: Shown, held, next) {
      return isShown.call({ ...this, pinned: [] }, held, next);
    });
    const violations = await firstViolations(days, 31);
    expect(violations.join("\n")).toMatch(/restores .* as .*; it was|restores to something else/);
  },
  120_000,
);

test("a maintenance that knows of no pins is found", async () => {
  const unaware: typeof maintain = ({ store, ...repository }, options, observer) => {
    const withoutPins = new WithoutStore(store, { has: (name) => name.startsWith(pinsPrefix) });
    return maintain({ ...repository, store: withoutPins }, options, observer);
  };
  const violations = await firstViolations({ ...days, maintain: unaware }, 16);
  expect(violations.join("\n")).toMatch(/pin .* is (thinned away|expired)/);
}, 120_000);

test("a sweep that does not wait for those who read is found", async () => {
  const violations = await firstViolations({ ...days, wrapStore: without("holds/") }, 21);
  expect(violations.join("\n")).toMatch(/r\d+ failed: .* is missing/);
}, 120_000);

test("a sweep that takes parts of a base that another one needs is found", async () => {
  const violations = await firstViolations({ ...days, wrapStore: deletingWholeBases }, 6);
  expect(violations.join("\n")).toMatch(/is missing/);
}, 120_000);

test.skipIf(whyNotLong !== undefined)(
  "a sweep that takes the parts of a copy that is under way is found",
  async () => {
    const leftovers = Leftovers.prototype as unknown as UnderWay;
    const { isUnderWay } = leftovers;
    vi.spyOn(leftovers, "isUnderWay").mockImplementation(function (this: UnderWay, unique) {
      return parseCopyUnique(unique) === undefined && isUnderWay.call(this, unique);
    });
    const violations = await firstViolations(days);
    expect(violations.join("\n")).toMatch(/is missing/);
  },
  120_000,
);

interface Recording {
  record: (this: Recording, stream: string, told: CoverageRecord) => void;
}

interface UnderWay {
  isUnderWay: (this: UnderWay, unique: string) => boolean;
}

interface Shown {
  isShown: (this: Shown, held: MergedLine, next: number) => boolean;
}

/** A listing shows nothing under a prefix. */
const without = (prefix: string) => (store: ObjectStore) =>
  overriding(store, {
    list: async function* (of) {
      for await (const object of store.list(of)) if (!object.name.startsWith(prefix)) yield object;
    },
  });

/** With the manifest of a base goes all that was written for it. */
function deletingWholeBases(store: ObjectStore): ObjectStore {
  return overriding(store, {
    delete: async (name) => {
      await store.delete(name);
      if (!parseManifestName(name)) return;
      const parts: string[] = [];
      for await (const part of store.list(name.slice(0, name.lastIndexOf("/") + 1))) {
        parts.push(part.name);
      }
      for (const part of parts) await store.delete(part);
    },
  });
}

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
      const claim = JSON.parse(bytes.toString()) as EpochClaim;
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

async function lastOfOlder(store: ObjectStore, epoch: number): Promise<EpochClaim["previous"]> {
  const older: string[] = [];
  for await (const { name } of store.list("log/")) {
    if (parseSegmentName(name)!.epoch < epoch) older.push(name);
  }
  const last = older.at(-1);
  return last === undefined
    ? null
    : { name: last, checksum: (await openSegment(store, last)).checksum };
}
