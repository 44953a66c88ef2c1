/** Routes that read documents. Their answers are the bytes that the command line prints. */
import * as v from "valibot";
import { ThinkbackError } from "../errors.js";
import * as answers from "./answers.js";
import { type Route, route, type Surroundings } from "./route.js";
import { countFrom, flag, gap, key, table, time } from "./words.js";

/** An option of a command, if a value is given. One word, so that no value is taken for an option. */
const option = (name: string, value: string | undefined): string[] =>
  value === undefined ? [] : [`--${name}=${value}`];

const inexact = { gap: v.exactOptional(gap), allowInexact: v.exactOptional(flag) };

const inexactOptions = (query: { gap?: string; allowInexact?: string }): string[] => [
  ...option("gap", query.gap),
  ...(query.allowInexact === "true" ? ["--allow-inexact"] : []),
];

const documentsMax = 1000;
const documentsDefault = "100";

const readings: Route[] = [
  route({
    method: "GET",
    path: "/v1/tables/{table}/document",
    summary: "A document as it was at an instant",
    right: "contents",
    params: v.strictObject({ table }),
    query: v.strictObject({ key, at: v.exactOptional(time), ...inexact }),
    answers: { 200: answers.documentThen },
    audited: ({ params, query }) => ({ what: "show", over: { ...params, ...query } }),
    answer: async ({ params, query, caller, signal }, { commands }) => {
      const options = [...option("at", query.at), ...inexactOptions(query)];
      const args = ["show", ...options, "--", params.table, query.key];
      return { body: await commands.print(args, caller, signal) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables/{table}/history",
    summary: "All versions of a document",
    right: "contents",
    params: v.strictObject({ table }),
    query: v.strictObject({ key, from: v.exactOptional(time), to: v.exactOptional(time) }),
    answers: { 200: answers.history },
    audited: ({ params, query }) => ({ what: "history", over: { ...params, ...query } }),
    answer: async ({ params, query, caller, signal }, { commands }) => {
      const options = [...option("from", query.from), ...option("to", query.to)];
      const args = ["history", ...options, "--", params.table, query.key];
      return { body: await commands.print(args, caller, signal) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables/{table}/diff",
    summary:
      "What differs between two instants, or, with live, between one and the live table: counts, and for who may read them documents",
    right: "see",
    params: v.strictObject({ table }),
    query: v.strictObject({
      from: v.exactOptional(time),
      to: v.exactOptional(time),
      at: v.exactOptional(time),
      live: v.exactOptional(flag),
      limit: v.exactOptional(countFrom(0, documentsMax)),
      ...inexact,
    }),
    answers: { 200: answers.diff },
    audited: ({ params, query, seesContents }) =>
      seesContents ? { what: "diff", over: { ...params, ...query } } : undefined,
    answer: async ({ params, query, caller, signal, seesContents }, { commands, ...around }) => {
      const { from, to, at, live, limit = documentsDefault } = query;
      const options = [
        ...option("from", from),
        ...option("to", to),
        ...option("at", at),
        ...(live === "true" ? ["--live"] : []),
        // Who may not read documents has none of them read.
        ...option("limit", seesContents ? limit : "0"),
        ...inexactOptions(query),
      ];
      const args = ["diff", ...options, "--", params.table];
      const environment = live === "true" ? knownLive(around) : {};
      if (seesContents) return { body: await commands.print(args, caller, signal, environment) };
      const found = await commands.result(args, caller, signal, environment);
      return { body: answers.shown(answers.counts, found, false) };
    },
  }),
];

/**
 * The same reading with what it asks for in the body: a key in a URL is in the history of a browser and in the log of
 * a proxy.
 */
function byBody(reading: Route): Route {
  const { query, ...rest } = reading;
  return {
    ...rest,
    method: "POST",
    isReading: true,
    ...(query ? { body: query } : {}),
    audited: (asked) => reading.audited?.({ ...asked, query: asked.body }),
    answer: (asked, around) => reading.answer({ ...asked, query: asked.body }, around),
  };
}

export const documents: Route[] = [...readings, ...readings.map(byBody)];
/** The environment in which a command reaches the live tables. */
function knownLive({ live }: Pick<Surroundings, "live">): Record<string, string> {
  if (live) return live;
  throw new ThinkbackError("usage", "this server does not know the live tables", {
    hint: "ask a process that captures, or whose configuration names a target",
  });
}
