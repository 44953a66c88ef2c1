import * as v from "valibot";
import { ThinkbackError } from "../errors.js";
import { auditFrom } from "../format/names.js";
import { formatInstant, parseInstant } from "../instant.js";
import { listAudit } from "../repository/records/audit.js";
import * as answers from "./answers.js";
import { type Route, route } from "./route.js";
import { countFrom, time } from "./words.js";

const entriesMax = 1000;
const entriesDefault = "100";
const next = "what an answer has said as `next`";
const defaultMs = 86_400_000;

export const auditing: Route[] = [
  route({
    method: "GET",
    path: "/v1/audit",
    summary:
      "Who has read or changed what: from an instant on (a day ago), or after the `next` of an answer",
    right: "administer",
    query: v.strictObject({
      from: v.exactOptional(time),
      after: v.exactOptional(
        v.pipe(v.string(next), v.regex(/^audit\/[0-9a-f-]{1,40}\.json$/, next)),
      ),
      limit: v.exactOptional(countFrom(1, entriesMax)),
    }),
    answers: { 200: answers.audit },
    audited: ({ query }) => ({ what: "audit", over: query }),
    answer: async ({ query }, { store, clock }) => {
      const { from, after, limit = entriesDefault } = query;
      const now = clock.now();
      if (from !== undefined && after !== undefined) {
        throw new ThinkbackError("usage", "from goes without after", { hint: "give one of them" });
      }
      const begin =
        after ?? auditFrom(from === undefined ? now - defaultMs : parseInstant(from, now));
      const found = await listAudit(store, begin, Number(limit));
      const entries = found.map(({ entry }) => ({ ...entry, at: formatInstant(entry.at) }));
      return {
        body: v.parse(answers.audit, { entries, next: found.at(-1)?.name ?? after ?? null }),
      };
    },
  }),
];
