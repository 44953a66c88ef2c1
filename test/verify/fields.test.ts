/**
 * Every kind of object, without each of its fields, and with each of another type, under a right checksum: what a defect of
 * a writer would leave. Reading says which field of which object that is; it takes nothing, and does not trip over it.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { coverageRecord } from "../../src/format/coverage-record.js";
import { frameEntry, type Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { encodeJsonObject, type JsonKind, readStored } from "../../src/format/json-object.js";
import { evidenceName, parseFoldedName } from "../../src/format/names.js";
import { encodeObject } from "../../src/format/object-writer.js";
import { recoveryKind } from "../../src/recoveries/events.js";
import { readManifest } from "../../src/repository/bases/base.js";
import { readBundle } from "../../src/repository/bundle.js";
import { recordSchemas } from "../../src/repository/log/catalog.js";
import { readClaim } from "../../src/repository/log/claims.js";
import { readFoldedManifest } from "../../src/repository/log/folded.js";
import { lastSegment, openSegment } from "../../src/repository/log/log.js";
import { readAcknowledgement } from "../../src/repository/records/acknowledgement.js";
import { readAuditEntry } from "../../src/repository/records/audit.js";
import { readDrill } from "../../src/repository/records/drills.js";
import { readEvidence } from "../../src/repository/records/evidence.js";
import { readMark } from "../../src/repository/records/marks.js";
import { operationEndKind, readOperation } from "../../src/repository/records/operations.js";
import { readVerification } from "../../src/repository/records/verifications.js";
import { readAlarms } from "../../src/repository/registers/alarms.js";
import { latestExpiry } from "../../src/repository/registers/expiry.js";
import { readAnswer, readWish } from "../../src/repository/registers/handovers.js";
import { liveHolds } from "../../src/repository/registers/holds.js";
import { Lease } from "../../src/repository/registers/lease.js";
import { readMember } from "../../src/repository/registers/members.js";
import { listPins } from "../../src/repository/registers/pins.js";
import { readRates } from "../../src/repository/registers/rates.js";
import { readSettings } from "../../src/repository/registers/settings.js";
import { readToken } from "../../src/repository/registers/tokens.js";
import { readDescription } from "../../src/repository/repository.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { noUse } from "../../src/storage/store-use.js";
import { kindOf, type ObjectKind, objectKinds } from "../../src/verify/object-kinds.js";
import { catalogAt, readCoverage } from "../repository/looks.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { pathsOf, schemaOf } from "./schema-fields.js";
import { makeWorld, owner } from "./world.js";

let leases = 0;

/** How an object of each kind is read. */
const readings: Record<ObjectKind, (store: ObjectStore, name: string) => Promise<unknown>> = {
  repository: readDescription,
  claim: readClaim,
  segment: openSegment,
  "folded manifest": (store, name) => readFoldedManifest(store, parseFoldedName(name)!),
  "folded part": (store, name) => DataObject.open(store, name, "foldedPart"),
  "folded records": (store, name) => DataObject.open(store, name, "foldedRecords"),
  "base manifest": readManifest,
  "base part": (store, name) => DataObject.open(store, name, "basePart"),
  "base keys": (store, name) => DataObject.open(store, name, "baseKeys"),
  evidence: readEvidence,
  acknowledgement: readAcknowledgement,
  alarms: readAlarms,
  pins: listPins,
  settings: readSettings,
  expiry: latestExpiry,
  rates: readRates,
  lease: (store) => Lease.acquire(store, new StillClock(9e14), owner, `fuzz${(leases += 1)}`),
  hold: (store) => liveHolds(store, 0),
  wish: readWish,
  answer: readAnswer,
  member: readMember,
  drill: readDrill,
  mark: readMark,
  verification: readVerification,
  audit: readAuditEntry,
  token: readToken,
  bundle: readBundle,
  operation: readOperation,
  "operation part": (store, name) => DataObject.open(store, name, "operation"),
  "operation end": (store, name) => readStored(store, name, operationEndKind),
  recovery: (store, name) => readStored(store, name, recoveryKind),
  "recovery plan": (store, name) => DataObject.open(store, name, "plan"),
};

const mayBeNull = new Set([
  "claim: previous",
  "drill: server",
  "evidence: named",
  "evidence: stored",
  "folded manifest: catalog",
  "folded manifest: coverage",
  "folded manifest: coverageLink",
  "folded manifest: epochs.*.serverClock",
  "folded manifest: previous",
  "recovery: progress.share",
  "segment: footer.links.catalog",
  "segment: footer.links.checkpoint",
  "segment: footer.links.coverage",
  "segment: footer.previous",
  "segment: footer.serverClock",
  "settings: keep",
]);

const mayBeAbsent = new Set([
  "alarms: digested",
  "alarms: notices.*.alarm",
  "base manifest: epoch",
  "claim: distrusts",
  "claim: exclude",
  "claim: idleMs",
  "claim: imported",
  "claim: include",
  "claim: lost",
  "claim: member",
  "claim: singleWriter",
  "claim: tickMs",
  "claim: withdraws",
  "coverage: gone",
  "coverage: of",
  "drill: checks",
  "drill: checks.*.found",
  "drill: checks.*.reason",
  "drill: failure",
  "drill: tables.*.differences",
  "folded manifest: epochs.*.aheadOfSource",
  "folded manifest: opening.*.expected",
  "folded manifest: opening.*.exactFrom",
  "folded manifest: opening.*.frontier",
  "folded manifest: opening.*.gap",
  "folded manifest: opening.*.gap.lost",
  "folded manifest: opening.*.lastCopy",
  "folded manifest: opening.*.late",
  "folded manifest: opening.*.late.*.gone",
  "folded manifest: opening.*.late.*.of",
  "folded manifest: opening.*.late.*.reason",
  "folded manifest: opening.*.stopped",
  "member: everyMs",
  "operation: pin",
  "operation: pinned",
  "pins: pins.*.classes",
  "pins: pins.*.days",
  "pins: pins.*.note",
  "pins: pins.*.until",
  "recovery: approvedBy",
  "recovery: confirmedBy",
  "recovery: ending",
  "recovery: error",
  "recovery: error.hint",
  "recovery: plan",
  "recovery: planIn",
  "recovery: progress",
  "recovery: request",
  "recovery: request.confirm",
  "recovery: request.key",
  "recovery: result",
  "recovery: waitsFor",
  "recovery: worker",
  "repository: lane",
  "repository: of",
  "repository: sealed",
  "segment: footer.aheadOfSource",
  "segment: footer.clockSteps",
  "segment: footer.clockWaitedOutMs",
  "segment: footer.handedTo",
  "segment: footer.requests",
  "settings: approval",
  "settings: lanes",
  "settings: lanesMade",
  "settings: locked",
  "token: expiresAt",
]);
const labels = /: frames\.\*\.(table|keys|firstKey|minTime|maxTime)$/;

const mayBeNegative = new Set([
  "expiry: logTo",
  "folded manifest: epochs.*.serverClock.offsetMs",
  "folded manifest: epochs.*.serverClock.uncertaintyMs",
  "segment: footer.clockWaitedOutMs",
  "segment: footer.serverClock.offsetMs",
  "segment: footer.serverClock.uncertaintyMs",
]);
const mayBeBroken =
  /^(drill|rates|operation end): .*(seconds|PerSecond)$|^verification: share$|serverClock\.\w+$|progress\.share$/;

/** Objects that have ids or names for fields. */
const maps =
  /^(lagging|totals|horizons|bases|folded|opening|classes|locked|summary|result|ending|over)$/;

type Content = Record<string, unknown>;

const table = "0a000000-0000-4000-8000-000000000001";
const reference = {
  name: "log/00000001/000000000000001-000000000000002-0000000001.zst",
  checksum: "0".repeat(64),
};
const clocks = {
  serverClock: { offsetMs: 1, uncertaintyMs: 2 },
  aheadOfSource: { since: 3, ms: 4 },
};
const some = { count: 1, keys: ["1"] };
const records = { ...reference, rows: 1, bytes: 1 };

/** What the objects of the world have not, and those of others may. */
const fuller: Partial<Record<ObjectKind, (content: Content) => object>> = {
  recovery: () => ({
    request: { command: "undo", args: ["a.b"], approval: true, confirm: true, key: "0" },
    worker: { unique: "w1", host: "h", process: 1, space: "s", silentMs: 1 },
    plan: { summary: {}, args: ["a.b"], parts: [reference] },
    planIn: 1,
    waitsFor: ["confirmation", "approval"],
    confirmedBy: { name: "ann", via: "api" },
    approvedBy: { name: "bob", via: "api" },
    ending: {},
    progress: { share: 0.5, text: "a" },
    result: {},
    error: { code: "usage", message: "m", hint: "h" },
  }),
  claim: () => ({
    previous: reference,
    include: ["a.*"],
    exclude: ["b.*"],
    withdraws: [1],
    distrusts: [1],
    tickMs: 1000,
    idleMs: 60_000,
    singleWriter: true,
    imported: { archive: "a", began: 1, ended: 2 },
    member: "abc",
    lost: "x",
  }),
  segment: ({ footer, frames }) => ({
    footer: {
      ...(footer as object),
      ...clocks,
      previous: reference,
      lagging: { [table]: 5 },
      clockSteps: [{ before: 1, after: 2 }],
      clockWaitedOutMs: 3,
      handedTo: "next1",
      requests: { since: 1, ...noUse },
      links: { catalog: "x", coverage: "x", checkpoint: "x" },
      totals: { [table]: { changes: 1, inserts: 1, deletes: 0, bytes: 1 } },
    },
    frames: (frames as object[]).map((frame) => ({ firstKey: "1", keys: false, ...frame })),
  }),
  "folded manifest": ({ epochs }) => ({
    previous: reference,
    kept: [1],
    epochs: (epochs as object[]).map((epoch) => ({ ...epoch, ...clocks, lagging: { [table]: 5 } })),
    catalog: records,
    coverage: records,
    opening: {
      [table]: {
        state: "gap",
        exactFrom: 1,
        frontier: 1,
        lastCopy: 1,
        watched: true,
        gap: { since: 1, reason: "why", lost: true },
        stopped: { since: 1, reason: "why" },
        late: [{ since: 1, to: 2, lateMs: 3, reason: "why", of: ["x"], gone: ["x"] }],
      },
    },
    coverageLink: "x",
    lost: ["x"],
  }),
  pins: ({ number }) => ({
    number,
    pins: [
      {
        name: "a",
        at: 1,
        made: 1,
        until: 2,
        note: "why",
        days: { from: 1, to: 2 },
        classes: { [table]: "exact" },
      },
    ],
  }),
  drill: () => ({
    failure: { code: "damaged", message: "why" },
    checks: [{ table: "shop.orders", what: "it", outcome: "passed", found: 1, reason: "why" }],
    server: "rethinkdb",
    tables: [
      {
        id: table,
        name: "shop.orders",
        ok: false,
        rows: 1,
        bytes: 1,
        seconds: 1,
        digest: "0".repeat(16),
        differences: { missing: some, altered: some, extra: some, settings: ["an index"] },
      },
    ],
  }),
  evidence: () => ({ named: "0".repeat(16), stored: "0".repeat(16) }),
  settings: () => ({ keep: "all:1d", lanes: 2, lanesMade: 3, locked: { 0: 1 }, approval: "all" }),
  repository: () => ({ lane: 1, of: "x", sealed: false }),
  expiry: () => ({
    cuts: [{ to: 1, at: 1 }],
    horizons: { [table]: { from: 1, base: 1 } },
    bases: { x: 1 },
    folded: { x: 1 },
  }),
};
const labelled = ({ frames }: Content) => ({
  frames: (frames as object[]).map((frame) => ({
    table,
    keys: false,
    firstKey: "1",
    minTime: 1,
    maxTime: 1,
    ...frame,
  })),
});

interface Sample {
  name: string;
  content: Content;
  encode: (content: Content) => Buffer;
}

const samples = new Map<ObjectKind, Sample[]>();

beforeAll(async () => {
  const { store } = await makeWorld();
  for (const name of await namesIn(store)) {
    const kind = kindOf(name)!;
    const of = samples.get(kind) ?? [];
    samples.set(kind, of);
    // One as it is, and one with all that it can have.
    if (of.length === 2) continue;
    const sample = await sampleOf(store, name);
    const { content } = sample;
    const more = fuller[kind]?.(content) ?? (content["frames"] ? labelled(content) : {});
    of.push(of.length === 0 ? { ...sample, content: { ...content, ...more } } : sample);
  }
  const damage = { table, at: 1, sequence: 0, reason: "why" };
  const sample = samples.get("evidence")![0]!;
  samples.get("evidence")!.push({ ...sample, name: evidenceName(table, 1, 0), content: damage });
});

async function sampleOf(store: ObjectStore, name: string): Promise<Sample> {
  const as: JsonKind | Kind = objectKinds[kindOf(name)!].as;
  const bytes = await store.get(name);
  if (typeof as !== "string") {
    const {
      thinkback: _,
      version: __,
      checksum: ___,
      ...content
    } = JSON.parse(String(bytes)) as Content;
    return { name, content, encode: (altered) => encodeJsonObject(as.type, altered) };
  }
  const { frames, footer } = (await DataObject.open(store, name, as)).index;
  const end = frames.reduce((sum, { length }) => sum + length, 0);
  const content = { frames, footer } as unknown as Content;
  const encode = (altered: Content) =>
    encodeObject(as, [bytes.subarray(0, end)], altered as never).bytes;
  return { name, content, encode };
}

const candidates: unknown[] = [null, true, "text", "5", 5, -1, 0.5, [], [null], {}];

function typeOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "list" : typeof value;
}

/** What a field cannot have in place of `value`. */
function wrongValues(value: unknown, place: string): unknown[] {
  const field = place.slice(place.lastIndexOf(".") + 1).replace(/^.*: /, "");
  return candidates.filter((one) => {
    const [was, is] = [typeOf(value), typeOf(one)];
    if (is === "null") return !mayBeNull.has(place);
    // What stands in place of null is not known; of none of these it can be.
    if (was === "null")
      return [true, 5].includes(one as number) || JSON.stringify(one) === "[null]";
    if (is !== was) return true;
    if (one === -1) return !mayBeNegative.has(place);
    if (one === 0.5) return !mayBeBroken.test(place);
    if (JSON.stringify(one) === "[null]") return true;
    return is === "object" && !maps.test(field) && field !== "footer";
  });
}

interface Altered {
  /** Of the field: with numbers and names, and with stars in place of these. */
  path: string;
  place: string;
  what: string;
  /** The field was taken out. */
  isGone: boolean;
  content: Content;
}

/** Every field of `content` altered in every way, one at a time; of a list or of names the first one. */
function* alterations(content: Content, kind: string): Generator<Altered> {
  function* within(value: unknown, path: string[], place: string[]): Generator<Altered> {
    const isMap = typeOf(value) === "object" && maps.test(place.at(-1) ?? "");
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    for (const [key, of] of typeOf(value) === "list" || isMap ? entries.slice(0, 1) : entries) {
      const isField = typeOf(value) === "object" && !isMap;
      const at = { path: [...path, key], place: [...place, isField ? key : "*"] };
      const said = `${kind}: ${at.place.join(".")}`;
      const altered = (what: unknown): Altered => ({
        path: at.path.join("."),
        place: said,
        what: JSON.stringify(what) ?? "absent",
        isGone: what === undefined,
        content: replaced(content, at.path, what),
      });
      const isNeeded = isField && !mayBeAbsent.has(said) && !labels.test(said);
      if (isNeeded) yield altered(undefined);
      for (const wrong of wrongValues(of, said)) yield altered(wrong);
      yield* within(of, at.path, at.place);
    }
  }
  yield* within(content, [], []);
}

function replaced(content: Content, path: string[], value: unknown): Content {
  const copy = JSON.parse(JSON.stringify(content)) as Content;
  let of = copy;
  for (const key of path.slice(0, -1)) of = of[key] as Content;
  const last = path.at(-1)!;
  if (value === undefined) delete of[last];
  else of[last] = value;
  return copy;
}

async function storeWith(name: string, bytes: Buffer): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.put(name, bytes);
  return store;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function expectNamed(error: unknown, name: string, altered: Altered, whose: string): void {
  const { path, place, what, isGone } = altered;
  // Of what is no such object, a field of it is missing.
  const field = isGone
    ? `${escaped(path)} is missing`
    : `${escaped(path)}(\\.\\S+)? is (missing|not .+)`;
  expect(error, `${place}: ${what}\n${(error as Error)?.stack}`).toMatchObject({
    code: "damaged",
    object: name,
    message: expect.stringMatching(
      new RegExp(`^object ${escaped(name)} is damaged: ${escaped(whose)} field ${field}$`),
    ) as string,
  });
}

const thrownBy = (reading: Promise<unknown>): Promise<unknown> =>
  reading.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("an object of each kind", () => {
  test.each(Object.keys(objectKinds) as ObjectKind[])(
    "(%s) that lacks a field, or has one of another type, is damaged",
    async (kind) => {
      const seen = new Set<string>();
      for (const { name, content, encode } of samples.get(kind)!) {
        const read = readings[kind];
        const isSound = await thrownBy(read(await storeWith(name, encode(content)), name));
        if (kind !== "lease") expect(isSound, name).toBeUndefined();
        for (const altered of alterations(content, kind)) {
          seen.add(altered.place.slice(`${kind}: `.length));
          const store = await storeWith(name, encode(altered.content));
          const error = await thrownBy(read(store, name));
          expectNamed(error, name, altered, "its");
          expect(await namesIn(store)).toEqual([name]);
        }
      }
      const isData = typeof objectKinds[kind].as === "string";
      const footer = isData ? ["footer"] : [];
      const frames = isData ? ["frames", ...pathsOf(frameEntry, "frames.*.")] : [];
      const all = new Set([
        ...footer,
        ...frames,
        ...pathsOf(schemaOf(kind), isData ? "footer." : ""),
      ]);
      // Elements of lists and of names were altered too.
      const fields = [...seen].filter((place) => !place.endsWith("*"));
      expect(fields.sort()).toEqual([...all].sort());
    },
  );

  test("may have fields that nobody knows yet", async () => {
    for (const [kind, [sample]] of samples) {
      const { name, content, encode } = sample!;
      const store = await storeWith(name, encode({ ...content, later: { any: 1 } }));
      const error = await thrownBy(readings[kind](store, name));
      if (kind !== "lease") expect(error, kind).toBeUndefined();
    }
  });
});

describe("a record of the stream", () => {
  const since = 5;
  const late = { state: "late", since, to: 9, lateMs: 4 };
  const coverage: Content[] = [
    ...["copying", "resyncing", "live", "dropped"].map((state) => ({ state, since })),
    ...["gap", "stopped"].map((state) => ({ state, since, reason: "why" })),
    { state: "continued", since, at: 9 },
    { state: "moved", since, lane: 2 },
    late,
    { ...late, of: ["x"], gone: ["x"] },
  ];
  const catalog: [string[], Content][] = [
    [["server", "s"], { id: "s", name: "one" }],
    [["cluster"], { servers: ["s"] }],
    [["db", "d"], { id: "d", name: "shop" }],
    [["table", "t"], { id: "t", db: "shop", name: "orders" }],
    [["indexes", "t"], { indexes: [{ index: "by_name" }] }],
    [["user", "u"], { id: "u" }],
    [["permission", "u"], { id: ["u"], permissions: {} }],
  ];

  async function recorded(stream: "catalog" | "coverage", key: unknown, record: Content) {
    const { store } = await makeRepository();
    const recording = await Recording.begin(
      { store, description: { id: "x", created: 0 } },
      new StillClock(),
    );
    recording.log.appendRecord(stream, key, record);
    await recording.tick();
    return { store, name: (await lastSegment(store))!.name };
  }

  test("coverage that lacks a field, or has one of another type, is damage", async () => {
    const seen = new Set<string>();
    for (const record of coverage) {
      expect(await readCoverage((await recorded("coverage", table, record)).store)).toHaveProperty(
        "size",
        1,
      );
      for (const altered of alterations(record, "coverage")) {
        seen.add(altered.place.slice("coverage: ".length));
        const { store, name } = await recorded("coverage", table, altered.content);
        const whose = `in its coverage record of ${table} the`;
        expectNamed(await thrownBy(readCoverage(store)), name, altered, whose);
      }
    }
    const fields = [...seen].filter((place) => !place.endsWith("*"));
    expect(new Set(fields)).toEqual(pathsOf(coverageRecord));
  });

  test("catalog that lacks a field, or has one of another type, is damage", async () => {
    expect(catalog.map(([key]) => key[0])).toEqual([...recordSchemas.keys()]);
    for (const [key, record] of catalog) {
      const { store } = await recorded("catalog", key, record);
      expect((await catalogAt(store, 9e14)).records.size).toBe(1);
      for (const altered of alterations(record, "catalog")) {
        // Which permissions there are is the server's.
        if (altered.path === "permissions" && altered.what === "{}") continue;
        const broken = await recorded("catalog", key, altered.content);
        const error = await thrownBy(catalogAt(broken.store, 9e14));
        expectNamed(
          error,
          broken.name,
          altered,
          `in its catalog record ${JSON.stringify(key)} the`,
        );
      }
    }
  });
});
