/** Routes of alarms. */
import * as v from "valibot";
import * as answers from "./answers.js";
import { type Route, route } from "./route.js";
import { alarmName, note, span } from "./words.js";

export const alarms: Route[] = [
  route({
    method: "GET",
    path: "/v1/alarms",
    summary: "The open alarms, what is silenced, and how many notices are undelivered",
    right: "see",
    answers: { 200: answers.alarms },
    answer: async ({ seesContents }, { commands }) => {
      const found = await commands.sharedResult(["alarm", "list"]);
      const { open, ...rest } = answers.shown(answers.alarms, found, seesContents) as v.InferOutput<
        typeof answers.alarms
      >;
      // What a server has refused is quoted in it.
      const told = seesContents ? open : open.map((alarm) => ({ ...alarm, text: null }));
      return { body: { open: told, ...rest } };
    },
  }),
  route({
    method: "POST",
    path: "/v1/silences",
    summary: "Tell nobody of an alarm, or of a kind of alarms, for a while",
    right: "request",
    body: v.strictObject({ what: alarmName, for: span, reason: note }),
    answers: { 201: answers.silence },
    audited: ({ body }) => ({
      what: "alarm silence",
      over: { id: body.what, for: body.for },
    }),
    answer: async ({ body, caller, signal, seesContents }, { commands }) => {
      const options = [`--for=${body.for}`, `--reason=${body.reason}`];
      const whole = ["alarm", "silence", ...options, "--", body.what];
      const made = await commands.result(whole, caller, signal);
      const headers = { location: `/v1/silences/${body.what}` };
      return { status: 201, headers, body: answers.shown(answers.silence, made, seesContents) };
    },
  }),
  route({
    method: "DELETE",
    path: "/v1/silences/{name}",
    summary: "End a silence",
    right: "request",
    params: v.strictObject({ name: alarmName }),
    answers: { 200: answers.silence },
    audited: ({ params }) => ({ what: "alarm unsilence", over: { id: params.name } }),
    answer: async ({ params, caller, signal, seesContents }, { commands }) => {
      const ended = await commands.result(
        ["alarm", "unsilence", "--", params.name],
        caller,
        signal,
      );
      return { body: answers.shown(answers.silence, ended, seesContents) };
    },
  }),
];
