/**
 * Every kind of object, damaged in every way. Verify finds it and names it; nothing is claimed that was not claimed
 * before; and a restore gives exactly the right documents, or refuses and says which object is why.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { messageOf, ThinkbackError } from "../../src/errors.js";
import { parseSegmentName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { openRepository } from "../../src/repository/repository.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { catalogCost } from "../../src/verify/costs.js";
import { kindOf, type ObjectKind } from "../../src/verify/object-kinds.js";
import { type Damage, verify } from "../../src/verify/verify.js";
import { readCoverage, readStatus } from "../repository/looks.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { type ChosenObjects, chooseIdle, chooseObjects } from "./chosen-objects.js";
import { type Alteration, damages } from "./damages.js";
import { instantsOf, makeWorld, type Reading, readingsOf, restored, type World } from "./world.js";

/** What nothing can prove to have been there. docs/operations.md lists the same. */
const unprovable = [
  "segment, the newest",
  "segment, folded",
  "folded manifest, others hold it",
  "folded manifest, replaced",
  "base manifest, folded",
  "evidence",
  "acknowledgement",
  "drill",
  "mark",
  "verification",
  "audit entry",
  "token, the last",
  "hold, the last",
  "wish",
  "answer",
  "member, the last",
  "lease, the last",
  "alarms, the last",
  "pins, the last",
  "settings, the last",
  "expiry, the last",
  "rates, the last",
  "bundle, the newest",
  "operation end",
  "recovery, the last",
];

/** What nothing can prove, and what therefore is claimed again when it is missing. */
const claimingMore = ["evidence", "expiry, the last"];

let world: World;
/** Every object, by name. */
const objects = new Map<string, Buffer>();
let instants: Instant[];
/** All that is exact then; and of that, what is restored from each damaged repository. */
let exact: Reading[];
let asked: Reading[];
let chosen: ChosenObjects;

beforeAll(async () => {
  world = await makeWorld();
  for (const name of await namesIn(world.store)) objects.set(name, await world.store.get(name));
  instants = await instantsOf(world);
  exact = await readingsOf(world);
  const { pinned, folded, last } = world.instants;
  asked = exact.filter(({ at }, i) => i % 8 === 0 || [pinned, folded, last].includes(at));
  chosen = await chooseObjects(world);
});

const inspect = async (store: ObjectStore) =>
  (await verify(store, { share: 1, random: () => 0 })).report;

test("the world has an object of every kind, and all of it is sound", async () => {
  const kinds = [...objects.keys()].map(kindOf);
  const all: Record<ObjectKind, true> = {
    acknowledgement: true,
    alarms: true,
    "base keys": true,
    "base manifest": true,
    "base part": true,
    bundle: true,
    claim: true,
    drill: true,
    evidence: true,
    expiry: true,
    "folded manifest": true,
    "folded part": true,
    "folded records": true,
    lease: true,
    mark: true,
    verification: true,
    audit: true,
    token: true,
    member: true,
    operation: true,
    "operation part": true,
    "operation end": true,
    recovery: true,
    "recovery plan": true,
    pins: true,
    rates: true,
    hold: true,
    wish: true,
    answer: true,
    repository: true,
    segment: true,
    settings: true,
  };
  expect(new Set(kinds)).toEqual(new Set(Object.keys(all)));
  expect(new Set([...chosen.values()].map(kindOf))).toEqual(new Set(kinds));
  const report = await inspect(world.store);
  expect(report).toMatchObject({ damage: [], lost: [], breaks: [], chainsFollowed: true });
  const { account, gone, read } = report;
  expect(account.disowned.objects).toBe(1);
  expect(account["expired"].objects).toBeGreaterThan(10);
  expect(account.replaced.objects).toBeGreaterThan(10);
  expect([account.damaged.objects, account.foreign.objects, account.unfinished.objects]).toEqual([
    0, 0, 0,
  ]);
  expect(gone).toMatchObject({ logTo: expect.any(Number) as number });
  expect(read.objects).toBeGreaterThan(60);
  expect(exact.length).toBeGreaterThan(50);
  for (const { table, at, documents } of exact) {
    expect(documents.length).toBeGreaterThan(100);
    expect(await restored(world.store, table, at), `${table} at ${at}`).toBe(documents);
  }
});

/** How an error may name a damaged object. */
function namesOf(name: string): string[] {
  const segment = parseSegmentName(name);
  return [
    name,
    // Of a segment that is missing only its number may be known, of a base only its instant.
    ...(segment ? [`… number ${segment.sequence} is missing`] : []),
    name.replace(/-[a-z0-9]+\/manifest.json$/, "-…/manifest.json"),
    ...(name === "repository.json" ? ["but not a Thinkback repository"] : []),
  ];
}

/** Throws unless a restore of each reading gives what it gave before, or refuses as it should; gives the refused. */
async function restoreAll(store: ObjectStore, names: string[], where: string): Promise<Reading[]> {
  const refused: Reading[] = [];
  for (const reading of asked) {
    const { table, at, documents } = reading;
    try {
      expect(await restored(store, table, at), `${where}; ${table} at ${at}`).toBe(documents);
    } catch (error) {
      if (!(error instanceof ThinkbackError)) throw error;
      const isNamed = names.some((name) => messageOf(error).includes(name));
      expect(isNamed, `${where}; ${table} at ${at}: ${messageOf(error)}`).toBe(true);
      refused.push(reading);
    }
  }
  return refused;
}

/** What is claimed that was not claimed before. Throws if an error names none of `names`. */
async function claimedMore(
  store: ObjectStore,
  names: string[],
  where: string,
): Promise<Omit<Reading, "documents">[]> {
  const before = new Set(exact.map(({ table, at }) => `${table} ${at}`));
  const more: Omit<Reading, "documents">[] = [];
  try {
    for (const [table, of] of await readCoverage(store)) {
      for (const at of instants) {
        const isMore = isExactAt(intervalAt(of, at), at) && !before.has(`${table} ${at}`);
        if (isMore) more.push({ table, at });
      }
    }
    await readStatus(await openRepository(store));
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    const isNamed = names.some((name) => messageOf(error).includes(name));
    expect(isNamed, `${where}; status: ${messageOf(error)}`).toBe(true);
  }
  return more;
}

function isTold({ table, at }: Reading, { costs, refuses }: Damage): boolean {
  if (/^(everything|restores)/.test(refuses ?? "")) return true;
  return costs.some(
    (cost) =>
      (cost.table === table || cost.table === catalogCost) && cost.from <= at && at <= cost.to,
  );
}

describe("an object of each kind", () => {
  test.each(Object.keys(damages))(
    "that is %s is found and named, and costs what is told",
    async (how) => {
      const alter: Alteration = damages[how as keyof typeof damages];
      let refusals = 0;
      for (const [what, name] of chosen) {
        const where = `${how}: ${what} (${name})`;
        const store = await copyOf(world.store, { [name]: alter(name, objects) });
        const isProvable = how !== "missing" || !unprovable.includes(what);
        const { damage } = await inspect(store);
        expect(
          damage.map(({ object }) => object),
          where,
        ).toEqual(isProvable ? [name] : []);
        const names = namesOf(name);
        // Where a manifest is missing, the segments name what they miss.
        if (what === "folded manifest, nothing else holds it") names.push("log/00000002/");
        // Without the newest segment nothing tells that the table was watched for longer.
        if (what === "segment, the newest" && !isProvable) names.push("is not proven yet");
        const more = await claimedMore(store, names, where);
        if (isProvable || !claimingMore.includes(what)) expect(more, where).toEqual([]);
        // What was expired and is claimed again is as it was.
        for (const { table, at } of what === "evidence" ? [] : more) {
          const documents = world.history.at(table, at).join("\n");
          expect(await restored(store, table, at), `${where}; ${table} at ${at}`).toBe(documents);
        }
        const refused = await restoreAll(store, names, where);
        refusals += refused.length;
        for (const reading of isProvable ? refused : []) {
          const { table, at } = reading;
          const told = JSON.stringify(damage);
          expect(
            isTold(reading, damage[0]!),
            `${where} costs ${table} at ${at}; told is ${told}`,
          ).toBe(true);
        }
      }
      expect(refusals, "the check is broken: nothing was refused").toBeGreaterThan(50);
    },
  );

  test("that does not count is no damage, and makes no difference", async () => {
    for (const [what, name] of await chooseIdle(world)) {
      for (const [how, alter] of Object.entries(damages)) {
        const where = `${how}: ${what} (${name})`;
        const store = await copyOf(world.store, { [name]: alter(name, objects) });
        const report = await inspect(store);
        expect(report, where).toMatchObject({ damage: [], lost: [] });
        expect(await claimedMore(store, [], where), where).toEqual([]);
        expect(await restoreAll(store, [], where), where).toEqual([]);
      }
    }
  });
});
