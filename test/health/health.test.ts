/** What of a process's facts is called wrong, since when, and when it is not. */
import { expect, test } from "vitest";
import { healthOf, isProvenLately, patienceMs } from "../../src/health/health.js";
import { began, ToldFacts } from "./told.js";

/** A process that has captured two tables for ten minutes. */
function running(): ToldFacts {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "live");
  told.state("users", "live");
  told.ms = 600_000;
  told.tick(["orders", "users"]);
  return told;
}

const whatIn = ({ facts, now }: ToldFacts) => healthOf(facts, now).wrong.map(({ what }) => what);

test("a capture that proves its tables is healthy, and a probe has travelled the whole way", () => {
  const told = running();
  expect(healthOf(told.facts, told.now)).toEqual({ healthy: true, wrong: [] });
  expect(isProvenLately(told.facts, told.now)).toBe(true);
});

test("a process that captures nothing is not unhealthy, but proves nothing either", () => {
  const told = new ToldFacts();
  told.ms = 3_600_000;
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  expect(isProvenLately(told.facts, told.now)).toBe(false);
});

test("before the first proof nothing is proven, and after a while that is wrong", () => {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "copying");
  told.tick([]);
  expect(isProvenLately(told.facts, told.now)).toBe(false);
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  told.ms = patienceMs + 1;
  told.tick([]);
  expect(healthOf(told.facts, told.now).wrong).toMatchObject([{ what: "tables", since: began }]);
});

test("a table whose proof stands still is named; one that is proven is not", () => {
  const told = running();
  const last = told.now;
  told.ms += patienceMs;
  told.tick({ users: told.now });
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  told.ms += 1;
  told.tick({ users: told.now });
  const { healthy, wrong } = healthOf(told.facts, told.now);
  expect(healthy).toBe(false);
  expect(wrong).toEqual([
    {
      what: "tables",
      since: last,
      text: expect.stringContaining("shop.orders is not proven"),
      tables: ["id-of-orders"],
    },
  ]);
  expect(isProvenLately(told.facts, told.now)).toBe(false);
});

test("tables with one reason are one entry, which names some of them and their earliest proof", () => {
  const told = running();
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) told.state(name, "gap", { reason: "the connection was lost" });
  told.ms += 300_000;
  told.tick(["orders", "users"]);
  expect(healthOf(told.facts, told.now).wrong).toEqual([
    {
      what: "tables",
      since: began + 600_000,
      text: "shop.a, shop.b, shop.c and 2 more are not proven: the connection was lost",
      tables: names.map((name) => `id-of-${name}`),
    },
  ]);
});

test("while the store takes no ticks only that is told, and it ends with the first tick", () => {
  const told = running();
  told.ms += 5000;
  told.lane(0).storeFails(new Error("connection refused"));
  told.ms += 5000;
  told.lane(0).storeFails(new Error("timed out"));
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  told.ms += 600_000;
  expect(healthOf(told.facts, told.now).wrong).toEqual([
    { what: "store", since: began + 605_000, text: "the store takes no ticks: timed out" },
  ]);
  told.tick(["orders", "users"]);
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
});

test("a store that neither takes ticks nor fails is found by the last tick", () => {
  const told = running();
  told.ms += patienceMs + 1;
  expect(healthOf(told.facts, told.now).wrong).toMatchObject([
    { what: "store", since: began + 600_000 },
  ]);
});

test("how old a proof may be follows how often ticks are stored", () => {
  const told = running();
  told.facts.tickEveryMs = 70_000;
  told.ms += 200_000;
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  told.ms += 10_001;
  expect(whatIn(told)).toEqual(["store"]);
});

test("a defect is told at once, beside what else is wrong", () => {
  const told = running();
  told.state("orders", "stopped", { reason: "cannot read properties of undefined" });
  expect(healthOf(told.facts, told.now).wrong).toEqual([
    {
      what: "stopped",
      since: told.now,
      text: "shop.orders is stopped by a defect: cannot read properties of undefined",
      tables: ["id-of-orders"],
    },
  ]);
});

test("a log that is lost is told at once, until the capture goes on", () => {
  const told = running();
  told.lane(0).logLost({} as Parameters<ReturnType<ToldFacts["lane"]>["logLost"]>[0]);
  expect(whatIn(told)).toEqual(["log"]);
  told.lane(0).beginsAgain();
  expect(whatIn(told)).toEqual([]);
});

test("the source that does not tell how much is written is the cause, and its tables are not named", () => {
  const told = running();
  told.lane(0).surveyFails("no permission");
  told.ms += 100_000;
  told.tick({});
  expect(healthOf(told.facts, told.now).wrong).toMatchObject([
    { what: "survey", since: began + 600_000 },
  ]);
});

test("a catalog that is not proven is told with the servers that are not reached", () => {
  const told = running();
  const last = told.now;
  told.lane(0).serversMissing(["amber"]);
  told.ms += patienceMs + 1;
  told.tick(["orders", "users"], { catalog: last });
  expect(healthOf(told.facts, told.now).wrong).toEqual([
    {
      what: "catalog",
      since: last,
      text: "the catalog is not proven: not every server is reached: amber",
    },
  ]);
});

test("proofs of a time that has not come yet are not believed", () => {
  const told = running();
  told.ms -= 61_000;
  expect(whatIn(told)).toEqual(["clock"]);
  expect(isProvenLately(told.facts, told.now)).toBe(false);
});

test("of a lane that another process captures nothing is wrong", () => {
  const told = running();
  told.lane(0).standsBy({ host: "h", process: 1 }, 1000);
  told.facts.failed("drill", new Error("different"));
  told.ms += 3_600_000;
  expect(healthOf(told.facts, told.now).healthy).toBe(true);
  expect(isProvenLately(told.facts, told.now)).toBe(false);
});

test("of a process that captures nothing, what it does besides may be wrong", () => {
  const told = new ToldFacts();
  told.facts.failed("drill", new Error("different"));
  expect(whatIn(told)).toEqual(["drill"]);
});

test("the same trouble in two lanes is told once", () => {
  const told = running();
  told.lane(1).begins();
  told.tick([], { lane: 1 });
  for (const lane of [0, 1]) told.lane(lane).storeFails(new Error("connection refused"));
  told.ms += 70_000;
  expect(whatIn(told)).toEqual(["store"]);
});

test("lanes whose capture cannot begin are told once, with the reason of the first, until they store a tick", () => {
  const told = running();
  for (const lane of [2, 1, 3]) told.lane(lane).begins();
  told.lane(2).beginsLater(new Error("connection refused"));
  told.lane(1).beginsLater(new Error("no route"));
  told.tick([], { lane: 3 });
  told.ms += patienceMs;
  told.tick(["orders", "users"]);
  told.tick([], { lane: 3 });
  expect(whatIn(told)).toEqual([]);
  told.ms += 1;
  // To try again is no end of the trouble.
  told.lane(1).begins();
  expect(healthOf(told.facts, told.now).wrong).toEqual([
    {
      what: "capture",
      since: began + 600_000,
      text: "lanes 1, 2 are not captured: connection refused",
    },
  ]);
  told.tick([], { lane: 1 });
  expect(healthOf(told.facts, told.now).wrong[0]!.text).toMatch(/^lane 2 is not captured: /);
  told.lane(2).ends();
  expect(whatIn(told)).toEqual([]);
});

test("maintenance may fail for an hour, or for three of its rounds; a drill may not", () => {
  const told = running();
  const { facts } = told;
  const wait = (ms: number) => {
    told.ms += ms;
    told.tick(["orders", "users"]);
  };
  facts.failed("maintenance", new Error("the store is away"));
  wait(3_600_000);
  facts.failed("maintenance", new Error("the store is away"));
  expect(whatIn(told)).toEqual([]);
  wait(1);
  expect(whatIn(told)).toEqual(["maintenance"]);
  facts.work("maintenance").everyMs = 3_600_000;
  expect(whatIn(told)).toEqual([]);
  facts.failed("drill", new Error("shop.orders differs"));
  expect(whatIn(told)).toEqual(["drill"]);
  facts.succeeded("drill");
  facts.succeeded("maintenance");
  wait(86_400_000);
  expect(whatIn(told)).toEqual([]);
});
