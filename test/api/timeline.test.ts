/** Coverage as a picture: what comes out of it is what the status says, or worse, in as few bytes as are asked for. */
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import type { InferOutput } from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type * as answers from "../../src/api/answers.js";
import type * as overviewAnswers from "../../src/api/overview-answers.js";
import { scansOf } from "../../src/api/scans.js";
import { timelineOf } from "../../src/api/timeline.js";
import { pictureOf, type Row, spanAt } from "../../src/console/parts/timeline-data.js";
import { classesWorstFirst } from "../../src/format/coverage-record.js";
import { Facts } from "../../src/health/facts.js";
import { formatInstant } from "../../src/instant.js";
import { generatedStatus } from "../console/generated-status.js";
import { StillClock } from "../repository/recording.js";
import { type Served, serveRecorded, table } from "./served.js";

type Status = InferOutput<typeof answers.status>;
type Timeline = InferOutput<typeof overviewAnswers.timeline>;
type Interval = Status["tables"][number]["intervals"][number];

const begin = Date.UTC(2026, 0, 1);
const now = begin + 100_000;

const statusOf = (intervals: Interval[]) =>
  ({
    catalog: null,
    access: null,
    tables: [{ id: "1", name: "shop.orders", state: "live", intervals }],
  }) as unknown as Status;

/** Intervals of any classes, with and without time of which nothing is known between them. */
const anyIntervals = fc
  .array(
    fc.record({
      skip: fc.nat(30),
      length: fc.nat(60),
      class: fc.constantFrom(...classesWorstFirst),
      thin: fc.constantFrom(undefined, 7, 20),
      reason: fc.constantFrom(undefined, "one", "two"),
      lateMs: fc.constantFrom(undefined, 3, 2500),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((all) => {
    let at = begin;
    return all.map(({ skip, length, class: name, thin, reason, lateMs }): Interval => {
      const from = at + skip;
      const to = from + length;
      at = to + 1;
      return {
        class: name,
        from: formatInstant(from),
        to: formatInstant(to),
        ...(thin === undefined ? {} : { resolutionMs: thin, kept: [formatInstant(from)] }),
        ...(reason === undefined ? {} : { reason }),
        ...(lateMs === undefined ? {} : { lateMs }),
      };
    });
  });

const rowOf = (timeline: Timeline): Row =>
  pictureOf(timeline).rows.find(({ kind }) => kind === "table")!;

const classAt = (intervals: readonly Interval[], at: number) =>
  intervals.find((one) => Date.parse(one.from) <= at && at <= Date.parse(one.to));

/** The greater the worse; what is not known is the worst. */
const rankOf = (name: string | undefined) =>
  name === undefined ? 99 : classesWorstFirst.length - classesWorstFirst.indexOf(name as "exact");

describe("a timeline", () => {
  test("to the millisecond is the coverage itself", () => {
    fc.assert(
      fc.property(anyIntervals, (intervals) => {
        const row = rowOf(timelineOf(statusOf(intervals), { now }));
        const printed = row.spans.map((span) => ({
          class: span.class,
          from: formatInstant(span.from),
          to: formatInstant(span.to),
          ...(span.resolutionMs > 0
            ? { resolutionMs: span.resolutionMs, kept: span.kept.map(formatInstant) }
            : {}),
          ...(span.reason === undefined ? {} : { reason: span.reason }),
          ...(span.lateMs > 0 ? { lateMs: span.lateMs } : {}),
        }));
        expect(printed).toEqual(intervals);
      }),
      { seed: 20261128 },
    );
  });

  test("in cells has at each instant the worst class of its cell, and is never better than it is", () => {
    fc.assert(
      fc.property(anyIntervals, fc.integer({ min: 1, max: 40 }), (intervals, cells) => {
        const timeline = timelineOf(statusOf(intervals), { now, cells });
        const { stepMs } = timeline;
        const row = rowOf(timeline);
        const origin = Date.parse(timeline.origin);
        const last = Date.parse(intervals.at(-1)!.to);
        expect(Math.ceil((last - origin + 1) / stepMs)).toBeLessThanOrEqual(cells);
        const instants = Array.from({ length: last - origin + 1 }, (_, i) => origin + i);
        const ranks = instants.map((at) => rankOf(classAt(intervals, at)?.class));
        const worst = ranks.map((_, i) => {
          const first = Math.floor(i / stepMs) * stepMs;
          return Math.max(...ranks.slice(first, first + stepMs));
        });
        expect(instants.map((at) => rankOf(spanAt(row.spans, at)?.class))).toEqual(worst);
        expect(spanAt(row.spans, origin - 1)).toBeUndefined();
        expect(spanAt(row.spans, last + 1)).toBeUndefined();
      }),
      { seed: 20261128 },
    );
  });

  test("is clipped to what is asked for", () => {
    fc.assert(
      fc.property(anyIntervals, fc.nat(400), fc.nat(200), (intervals, from, length) => {
        const asked = { now, from: begin + from, to: begin + from + length };
        const row = rowOf(timelineOf(statusOf(intervals), asked));
        const instants = Array.from({ length: 700 }, (_, i) => begin + i);
        const isIn = (at: number) => asked.from <= at && at <= asked.to;
        expect(instants.map((at) => spanAt(row.spans, at)?.class)).toEqual(
          instants.map((at) => (isIn(at) ? classAt(intervals, at)?.class : undefined)),
        );
      }),
      { seed: 20261128 },
    );
  });
});

describe("the routes", () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveRecorded();
  });
  afterAll(() => served.close());

  const ask = async (url: string, role: "viewer" | "operator" = "operator", zip?: string) => {
    const authorization = `Bearer ${served.tokens[role]}`;
    const accepting = zip === undefined ? {} : { "accept-encoding": zip };
    return served.app.inject({ url, headers: { authorization, ...accepting } });
  };

  test("a timeline is that of the status, of those tables and times that are asked for", async () => {
    const status = (await ask("/v1/status")).json<Status>();
    const timeline = (await ask("/v1/timeline")).json<Timeline>();
    const { intervals } = status.tables[0]!;
    expect(rowOf(timeline).spans.map(({ class: name, to }) => [name, formatInstant(to)])).toEqual(
      intervals.map(({ class: name, to }) => [name, to]),
    );
    const other = (await ask("/v1/timeline?table=shop.none,shop.other")).json<Timeline>();
    expect(other.tables).toEqual([]);
    const later = (await ask(`/v1/timeline?from=${served.cut}`)).json<Timeline>();
    expect(rowOf(later).spans[0]!.from).toBe(Date.parse(served.cut));
    expect((await ask("/v1/timeline?from=never")).statusCode).toBe(422);
  });

  test("an overview is the status without coverage, with sums", async () => {
    const status = (await ask("/v1/status")).json<Status>();
    const overview = (await ask("/v1/overview")).json<Status & { changes: number }>();
    const { intervals: _, ...summary } = status.tables[0]!;
    expect(overview.tables).toEqual([summary]);
    expect(overview).toMatchObject({
      changes: summary.changes,
      logBytes: summary.logBytes,
      catalog: { state: "live" },
    });
    expect(JSON.stringify(overview)).not.toContain('"intervals"');
  });

  test("events are those that are recorded, and are read once for all who ask", async () => {
    const events = async () => (await ask("/v1/timeline/events")).json<{ points: object[] }>();
    const { points } = await events();
    expect(points).toMatchObject([{ kind: "drill" }]);
    await events();
    expect(served.ran.filter(([name]) => name === "points")).toHaveLength(1);
  });

  test("a viewer is given no reasons", async () => {
    const text = JSON.stringify(generatedStatus({ tables: 5, days: 60, now: Date.now() }));
    const print = () => Promise.resolve(Buffer.from(text));
    const other = await serveRecorded({
      commands: { print, run: () => Promise.resolve(JSON.parse(text) as object) },
    });
    const get = async (role: "viewer" | "operator") => {
      const headers = { authorization: `Bearer ${other.tokens[role]}` };
      return (await other.app.inject({ url: "/v1/timeline", headers })).json<Timeline>();
    };
    const [all, seen] = [await get("operator"), await get("viewer")];
    expect(all.reasons).toContain("the source could not be reached");
    expect(seen.reasons).toEqual([]);
    const classes = (of: Timeline) => rowOf(of).spans.map((span) => span.class);
    expect(classes(seen)).toEqual(classes(all));
    await other.close();
  });

  test("what is large goes with gzip to whoever takes it, and the same as without", async () => {
    const many = Array.from({ length: 400 }, (_, i) => ({ kind: "mark", at: served.cut, i }));
    const points = many.map(({ kind, at, i }) => {
      const about = { until: null, count: null, table: null, tables: null };
      return { id: `mark-${i}`, kind, at, before: at, ...about, text: `t ${i}` };
    });
    const found = { table: null, from: served.cut, to: served.cut, points, activity: null };
    const print = () => Promise.resolve(Buffer.from(JSON.stringify(found)));
    const other = await serveRecorded({ commands: { print, run: () => Promise.resolve(found) } });
    const get = (encoding: string) => {
      const authorization = `Bearer ${other.tokens.viewer}`;
      const headers = { authorization, "accept-encoding": encoding };
      return other.app.inject({ url: "/v1/timeline/events", headers });
    };
    const plain = await get("identity");
    expect(plain.headers["content-encoding"]).toBeUndefined();
    expect(plain.json<{ points: object[] }>().points).toHaveLength(400);
    expect((await get("br, gzip;q=0")).body).toBe(plain.body);
    const zipped = await get("br, gzip");
    expect(zipped.headers).toMatchObject({ "content-encoding": "gzip", vary: "accept-encoding" });
    expect(zipped.rawPayload.length).toBeLessThan(plain.rawPayload.length / 5);
    expect(gunzipSync(zipped.rawPayload).toString()).toBe(plain.body);
    const small = await ask("/v1/scans", "viewer", "gzip");
    expect(small.headers["content-encoding"]).toBeUndefined();
    await other.close();
  });

  test("scans are what this process copies, and what others do", async () => {
    const facts = new Facts(new StillClock());
    const observer = facts.observer(0);
    observer.begins!();
    const orders = { id: table, db: "shop", name: "orders", primaryKey: "id" };
    observer.state!(orders, "copying");
    const known = [
      { id: table, name: "shop.orders", state: "not captured" },
      { id: "2", name: "shop.carts", state: "resyncing" },
      { id: "3", name: "shop.done", state: "live" },
    ];
    const carts = { ...known[1], scanned: null, isHere: false };
    const own = { id: table, name: "shop.orders", state: "copying", isHere: true };
    expect(scansOf(known, facts)).toEqual([carts, { ...own, scanned: null }]);
    observer.scanned!(orders, 500, 9000, 2000);
    const scanned = { documents: 500, bytes: 9000, ofAbout: 2000 };
    expect(scansOf(known, facts)).toEqual([carts, { ...own, scanned }]);
    observer.state!(orders, "live");
    expect(scansOf(known, facts)).toEqual([carts]);
    const { tables } = (await ask("/v1/scans")).json<{ tables: object[] }>();
    expect(tables).toEqual([]);
  });
});
