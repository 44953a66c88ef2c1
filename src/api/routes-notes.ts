/** Routes that pin and mark. */
import * as v from "valibot";
import * as answers from "./answers.js";
import { type Route, route } from "./route.js";
import { markText, note, pinName, span, table, time } from "./words.js";

/** Tables in one request: a body has 64 KiB. */
const tablesMax = 200;

export const notes: Route[] = [
  route({
    method: "POST",
    path: "/v1/pins",
    summary: "Pin an instant, so that it stays restorable",
    right: "request",
    body: v.strictObject({
      name: pinName,
      at: v.exactOptional(time),
      note: v.exactOptional(note),
      for: v.exactOptional(span),
      allowInexact: v.exactOptional(v.boolean("true or false")),
    }),
    answers: { 201: answers.pin },
    audited: ({ body: { name, at = "" } }) => ({ what: "pin add", over: { id: name, at } }),
    answer: async ({ body, caller, signal, seesContents }, { commands }) => {
      const { name, at, note: text, for: length, allowInexact } = body;
      const options = [
        ...(at === undefined ? [] : [`--at=${at}`]),
        ...(text === undefined ? [] : [`--note=${text}`]),
        ...(length === undefined ? [] : [`--for=${length}`]),
        ...(allowInexact ? ["--allow-inexact"] : []),
      ];
      const made = await commands.result(["pin", "add", ...options, "--", name], caller, signal);
      const headers = { location: `/v1/pins/${name}` };
      return { status: 201, headers, body: answers.shown(answers.pin, made, seesContents) };
    },
  }),
  route({
    method: "DELETE",
    path: "/v1/pins/{name}",
    summary: "Remove a pin",
    right: "request",
    params: v.strictObject({ name: pinName }),
    answers: { 200: answers.pin },
    audited: ({ params }) => ({ what: "pin remove", over: { id: params.name } }),
    answer: async ({ params, caller, signal, seesContents }, { commands }) => {
      const removed = await commands.result(["pin", "remove", "--", params.name], caller, signal);
      return { body: answers.shown(answers.pin, removed, seesContents) };
    },
  }),
  route({
    method: "POST",
    path: "/v1/marks",
    summary: "Mark an instant, such as that of a deployment",
    right: "request",
    body: v.strictObject({ text: markText, at: v.exactOptional(time) }),
    answers: { 201: answers.mark },
    audited: ({ body: { text, at = "" } }) => ({ what: "mark add", over: { text, at } }),
    answer: async ({ body: { text, at }, caller, signal, seesContents }, { commands }) => {
      const options = at === undefined ? [] : [`--at=${at}`];
      const made = await commands.result(["mark", ...options, "--", "add", text], caller, signal);
      return { status: 201, body: answers.shown(answers.mark, made, seesContents) };
    },
  }),
  route({
    method: "POST",
    path: "/v1/gaps/acknowledge",
    summary:
      "Note that a gap is known, and why it happened: of each of these tables the gap in which the instant lies",
    right: "request",
    body: v.strictObject({
      tables: v.pipe(
        v.array(table, "a list of texts"),
        v.minLength(1, "at least one table"),
        v.maxLength(tablesMax, `at most ${tablesMax} tables`),
      ),
      at: time,
      note,
    }),
    answers: { 200: answers.acknowledged },
    audited: ({ body: { tables, at, note: text } }) => ({
      what: "gap acknowledge",
      over: { tables: tables.join(" "), at, note: text },
    }),
    answer: async ({ body, caller, signal, seesContents }, { commands }) => {
      const { tables, at, note: text } = body;
      const options = [`--at=${at}`, `--note=${text}`];
      const whole = ["acknowledge", ...options, "--", ...tables];
      const made = await commands.result(whole, caller, signal);
      return { body: answers.shown(answers.acknowledged, made, seesContents) };
    },
  }),
];
