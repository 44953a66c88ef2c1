/** What is wrong, by cause, from what a process knows and what the status says. */
import { describe, expect, test } from "vitest";
import type { StatusSeen } from "../../src/alarms/status-seen.js";
import type { Symptom } from "../../src/alarms/symptom.js";
import { fewTables, symptoms } from "../../src/alarms/symptoms.js";
import { parseCron } from "../../src/upkeep/schedule.js";
import { began, idOf, ToldFacts } from "../health/told.js";

const names = Array.from({ length: 500 }, (_, i) => `t${i}`);

function running(): ToldFacts {
  const told = new ToldFacts();
  told.lane(0).begins();
  for (const name of names) told.state(name, "live");
  told.ms += 1000;
  told.tick(names);
  return told;
}

interface Asked {
  status?: StatusSeen;
  open?: string[];
  spool?: { used: number; limit: number };
  massChanges?: Symptom[];
  copies?: string[];
  drillAt?: string;
}

const asked = (
  told: ToldFacts,
  { status, open = [], spool, massChanges = [], ...more }: Asked = {},
) =>
  symptoms(
    told.facts,
    told.now,
    {
      behindMs: 300_000,
      drills: more.drillAt === undefined ? undefined : parseCron(more.drillAt),
      copies: more.copies ?? [],
    },
    { status, spool, massChanges, isOpen: (kind) => open.includes(kind) },
  );

const found = (told: ToldFacts, more?: Asked) =>
  asked(told, more).found.map(({ kind, of }) => `${kind} ${of}`.trim());

const sound: StatusSeen = {
  behindNowMs: 1000,
  tables: [],
  uncaptured: [],
  lostPins: [],
  overdueKeys: [],
  drilled: undefined,
  drillFailed: undefined,
  clockOffMs: 0,
};

const minutes = (told: ToldFacts, count: number, tables: readonly string[] = names) => {
  for (let i = 0; i < 12 * count; i += 1) {
    told.ms += 5000;
    told.tick(tables);
  }
};

describe("of 500 tables", () => {
  test("nothing is wrong while all are proven", () => {
    const told = running();
    minutes(told, 2);
    expect(found(told)).toEqual([]);
    expect(found(told, { status: sound })).toEqual([]);
  });

  test("a store that is away is one symptom, and hides what follows from it", () => {
    const told = running();
    told.lane(0).storeFails(new Error("connection refused"));
    told.ms += 1000;
    expect(asked(told).found).toEqual([
      {
        kind: "store-away",
        of: "",
        since: began + 1000,
        text: "the store takes no ticks: connection refused",
      },
    ]);
    told.ms += 600_000;
    for (const name of names) told.state(name, "gap", { reason: "the feed overflowed" });
    expect(found(told)).toEqual(["store-away"]);
    const { unjudged } = asked(told);
    for (const kind of ["tables-unproven", "table-unproven", "behind", "maintenance-fails"]) {
      expect(unjudged).toContain(kind);
    }
    expect(unjudged).not.toContain("source-away");
  });

  test("a source that is away is one symptom, also beside a store that is", () => {
    const told = running();
    for (const name of names) told.state(name, "gap", { reason: `${name}: connection lost` });
    told.lane(0).catalogUnreadable("connection refused");
    told.lane(0).surveyFails("connection refused");
    told.ms += 90_000;
    told.tick([], { catalog: began });
    expect(found(told)).toEqual(["source-away"]);
    told.lane(0).storeFails(new Error("gone"));
    told.ms += 1000;
    expect(found(told)).toEqual(["source-away", "store-away"]);
  });

  test("a few that are not proven are one symptom each, and more are one together until all are", () => {
    const told = running();
    const wrong = names.slice(0, fewTables);
    for (const name of wrong) told.state(name, "gap", { reason: "no replica" });
    minutes(told, 2, names.slice(fewTables));
    expect(found(told)).toEqual(wrong.map((name) => `table-unproven ${idOf(name)}`));
    told.state(names[fewTables]!, "stopped", { reason: "another reason" });
    expect(found(told)).toEqual(["tables-unproven"]);
    expect(asked(told).unjudged).toContain("table-unproven");
    told.state(names[fewTables]!, "live");
    told.tick(names.slice(fewTables));
    expect(found(told, { open: ["tables-unproven"] })).toEqual(["tables-unproven"]);
    expect(found(told)).toHaveLength(fewTables);
  });
});

describe("what one process knows", () => {
  test("a table that a defect has stopped", () => {
    const told = running();
    told.state("t1", "stopped", { reason: "cannot read properties of undefined" });
    expect(asked(told).found).toMatchObject([
      {
        kind: "table-unproven",
        of: idOf("t1"),
        text: "shop.t1: cannot read properties of undefined",
      },
    ]);
  });

  test("a log that is lost hides all but what others cause", () => {
    const told = running();
    told.lane(0).logLost({} as Parameters<ReturnType<ToldFacts["lane"]>["logLost"]>[0]);
    told.lane(0).storeFails(new Error("gone"));
    told.ms += 100_000;
    expect(found(told)).toEqual(["log-lost"]);
  });

  test("a capture that cannot begin, a survey that fails, servers that are missing, a catalog that is unreadable", () => {
    const told = running();
    told.lane(0).beginsLater(new Error("another process captures here now"));
    told.ms += 1000;
    expect(found(told)).toEqual(["capture-down"]);
    const survey = running();
    survey.lane(0).surveyFails("no permission");
    survey.ms += 1000;
    expect(found(survey)).toEqual(["survey-fails"]);
    const servers = running();
    servers.lane(0).serversMissing(["b", "c"]);
    const catalog = servers.now;
    servers.ms += 90_000;
    servers.tick(names, { catalog });
    expect(asked(servers).found).toMatchObject([
      { kind: "servers-missing", text: expect.stringContaining("b, c") as string },
    ]);
    servers.lane(0).serversMissing([]);
    servers.lane(0).catalogUnreadable("no permission");
    expect(found(servers)).toEqual(["catalog-unreadable"]);
  });

  test("a spool that fills, and reading that has stopped", () => {
    const told = running();
    told.lane(0).storeFails(new Error("gone"));
    told.ms += 1000;
    const spool = (used: number) => found(told, { spool: { used, limit: 100 } });
    expect(spool(79)).toEqual(["store-away"]);
    expect(spool(80)).toEqual(["store-away", "spool-full"]);
    told.lane(0).readingStops(true);
    told.ms += 1000;
    expect(found(told)).toEqual(["store-away", "spool-full"]);
  });

  test("labels that have not come yet", () => {
    const told = running();
    told.ms -= 900;
    told.tick(names);
    told.ms -= 200_000;
    expect(found(told)).toEqual(["clock-wrong"]);
  });

  test("maintenance, drills and copies that fail", () => {
    const told = running();
    told.facts.failed("drill", new Error("different"));
    told.facts.failed("copy s3://b", new Error("forbidden"));
    told.facts.failed("maintenance", new Error("full"));
    const copies = ["s3://a", "s3://b"];
    expect(found(told, { copies })).toEqual(["drill-failed", "copy-behind s3://b"]);
    minutes(told, 61);
    expect(found(told, { copies })).toEqual([
      "maintenance-fails",
      "drill-failed",
      "copy-behind s3://b",
    ]);
    for (const work of ["drill", "maintenance", "copy s3://b"]) told.facts.succeeded(work);
    expect(found(told, { copies })).toEqual([]);
  });

  test("drills that were missed", () => {
    const told = running();
    const drillAt = "0 * * * *";
    minutes(told, 170);
    expect(found(told, { drillAt })).toEqual([]);
    minutes(told, 15);
    expect(found(told, { drillAt })).toEqual(["drill-overdue"]);
    const drilled = told.now - 60_000;
    expect(found(told, { drillAt, status: { ...sound, drilled } })).toEqual([]);
    told.facts.succeeded("drill");
    expect(found(told, { drillAt })).toEqual([]);
  });

  test("a mass change is told as it is", () => {
    const told = running();
    const mass = { kind: "mass-change" as const, of: "x", since: 1, text: "gone" };
    expect(asked(told, { massChanges: [mass] }).found).toEqual([mass]);
  });

  test("a lane in which another process captures is none of its business", () => {
    const told = running();
    told.lane(1).begins();
    told.lane(1).standsBy({ host: "h", process: 1 }, 1000);
    told.lane(1).storeFails(new Error("gone"));
    told.ms += 1000;
    expect(found(told)).toEqual([]);
  });
});

describe("what the status says", () => {
  test("is not judged before there is one", () => {
    expect([...asked(running()).unjudged].sort()).toEqual([
      "damaged",
      "key-overdue",
      "lane-uncaptured",
      "pin-lost",
    ]);
  });

  test("damage, pins, keys, lanes and tables of others, a drill, a clock, a restorable instant far back", () => {
    const told = running();
    const other = { id: "o", name: "shop.o", lane: 3, isDamaged: true, documents: undefined };
    const trouble = { since: 5, reason: "no replica" };
    const status: StatusSeen = {
      ...sound,
      tables: [{ ...other, trouble }],
      uncaptured: [3],
      lostPins: ["release"],
      overdueKeys: ["offline"],
      drillFailed: 7,
      clockOffMs: 60_000,
    };
    expect(found(told, { status }).sort()).toEqual(
      [
        "clock-wrong",
        "damaged",
        "drill-failed",
        "key-overdue offline",
        "lane-uncaptured 3",
        "pin-lost release",
        "table-unproven o",
      ].sort(),
    );
    expect(found(told, { status: { ...sound, behindNowMs: 300_001 } })).toEqual(["behind"]);
  });
});
