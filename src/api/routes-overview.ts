/** Routes of the overview: what is asked for often, and of all tables, in few bytes. */
import * as v from "valibot";
import { parseInstant } from "../instant.js";
import * as answers from "./answers.js";
import * as overview from "./overview-answers.js";
import { type Route, route } from "./route.js";
import { statusFor } from "./routes-seeing.js";
import { scansOf } from "./scans.js";
import { timelineOf } from "./timeline.js";
import { countFrom, tables, time } from "./words.js";

/** How long events are given to others who ask: to read them takes a request for each that is recorded. */
const eventsMs = 60_000;
const eventsChargedMs = 600_000;

/** Finer than the pixels of any screen. */
const cellsMax = 100_000;

const sumOf = <T>(all: readonly T[], of: (one: T) => number): number =>
  all.reduce((sum, one) => sum + of(one), 0);

export const overviews: Route[] = [
  route({
    method: "GET",
    path: "/v1/overview",
    summary: "The status without coverage, and sums over the tables",
    right: "see",
    answers: { 200: overview.overview },
    answer: async (asked, around) => {
      const found = await statusFor(asked, around);
      const changes = sumOf(found.tables, (one) => one.changes);
      const logBytes = sumOf(found.tables, (one) => one.logBytes);
      return { body: v.parse(overview.overview, { ...found, changes, logBytes }) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/timeline",
    summary: "The coverage of all tables, or of some, as a picture: in few bytes",
    right: "see",
    query: v.strictObject({
      from: v.exactOptional(time),
      to: v.exactOptional(time),
      table: v.exactOptional(tables),
      cells: v.exactOptional(countFrom(1, cellsMax)),
    }),
    answers: { 200: overview.timeline },
    answer: async (asked, around) => {
      const { from, to, table, cells } = asked.query;
      const now = around.clock.now();
      const at = (text: string | undefined) =>
        text === undefined ? undefined : parseInstant(text, now);
      const wanted = {
        now,
        from: at(from),
        to: at(to),
        cells: cells === undefined ? undefined : Math.max(1, Number(cells)),
        tables: table?.split(","),
      };
      const found = await statusFor(asked, around);
      return { body: v.parse(overview.timeline, timelineOf(found, wanted)) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/timeline/events",
    summary: "Drops, changes of schemas, marks, pins, drills and operations since the beginning",
    right: "see",
    answers: { 200: overview.timelineEvents },
    answer: async ({ seesContents }, { commands, store }) => {
      const words = ["points", "--without-bursts", "--from=1970-01-01T00:00:00Z"];
      const forMs = store.chargesRequests ? eventsChargedMs : eventsMs;
      const found = await commands.sharedResult(words, forMs);
      return { body: answers.shown(overview.timelineEvents, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/scans",
    summary: "Tables that are copied or resynced, and how far",
    right: "see",
    answers: { 200: overview.scans },
    answer: async (asked, around) => {
      const { tables: known } = await statusFor(asked, around);
      return { body: v.parse(overview.scans, { tables: scansOf(known, around.facts) }) };
    },
  }),
];
