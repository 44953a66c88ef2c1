/** Routes for whoever has signed in to the console: who that is, what this server can do, and what happens. */
import * as v from "valibot";
import { formatInstant } from "../instant.js";
import * as answers from "./answers.js";
import { followChanges } from "./change-events.js";
import { rightsOf } from "./rights.js";
import { EventStream, type Route, route } from "./route.js";

export const session: Route[] = [
  route({
    method: "GET",
    path: "/v1/session",
    summary: "Whose token it is, what it may do, and what this server can do",
    right: "see",
    answers: { 200: answers.session },
    answer: async ({ caller }, { server, live, clock }) => {
      const { name, role, expiresAt } = caller;
      const expires = expiresAt === undefined ? null : formatInstant(expiresAt);
      const who = { name, role, rights: rightsOf(caller), expires };
      return {
        body: v.parse(answers.session, {
          ...who,
          server: { ...server, seesLive: live !== undefined },
          now: formatInstant(clock.now()),
        }),
      };
    },
  }),
  route({
    method: "GET",
    path: "/v1/events",
    summary:
      "What changes, as server-sent events: each names what is to be asked for again. One stream does for all pages of a browser",
    right: "see",
    answers: { 200: answers.events },
    isStream: true,
    answer: async (_, around) => ({ body: new EventStream((to) => followChanges(around, to)) }),
  }),
];
