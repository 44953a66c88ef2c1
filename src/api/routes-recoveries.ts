/** Routes for recoveries that are requested, and which workers carry out. */
import * as v from "valibot";
import { formatInstant } from "../instant.js";
import { recoveryCommands } from "../recoveries/events.js";
import {
  approve,
  cancel,
  confirm,
  createRecovery,
  listRecoveries,
  type Recovery,
  readRecovery,
} from "../recoveries/recoveries.js";
import { recoveriesSubject } from "../recoveries/wake-ups.js";
import * as answers from "./answers.js";
import { listed } from "./given.js";
import { Refusal } from "./problem.js";
import { followRecovery, isEnded } from "./recovery-events.js";
import {
  type Answer,
  type Asked,
  EventStream,
  type Route,
  route,
  type Surroundings,
} from "./route.js";
import { eventNumber, idempotencyKey, recoveryId, typedName, word } from "./words.js";

const wordsMax = 200;
const args = v.pipe(
  v.array(word, "a list of texts"),
  v.maxLength(wordsMax, `at most ${wordsMax} arguments`),
);
const id = v.strictObject({ id: recoveryId });
const keyNeeded = {
  "idempotency-key": "any text; a request that is sent again with the same text is made once",
};

/** A recovery as it may be seen. What it was asked for, what it plans and what it says may quote keys. */
export function recoveryResult(recovery: Recovery, seesContents: boolean): object {
  const times = {
    createdAt: formatInstant(recovery.createdAt),
    changedAt: formatInstant(recovery.changedAt),
  };
  const found = v.parse(answers.recovery, { ...recovery, ...times });
  if (seesContents) return found;
  const { args: _, plan: __, result: ___, progress, error, ...rest } = found;
  return {
    ...rest,
    ...(progress ? { progress: { share: progress.share } } : {}),
    ...(error ? { error: { code: error.code } } : {}),
  };
}

const actorOf = ({ caller }: Pick<Asked<unknown, unknown, unknown>, "caller">) => ({
  name: caller.name,
  via: "api" as const,
});

interface RequestBody {
  args: string[];
  confirm?: boolean;
  needsApproval?: boolean;
}

async function requested(
  asked: Asked<unknown, unknown, RequestBody>,
  command: string,
  { store, clock, waker }: Surroundings,
): Promise<Answer> {
  const given = v.safeParse(idempotencyKey, asked.header("idempotency-key"));
  if (!given.success) {
    throw new Refusal("invalid", "the header Idempotency-Key is missing, or is no such text");
  }
  const recovery = await createRecovery(store, clock, {
    command,
    args: asked.body.args,
    confirm: asked.body.confirm,
    needsApproval: asked.body.needsApproval,
    by: actorOf(asked),
    idempotencyKey: given.output,
  });
  waker.wake(recoveriesSubject);
  const headers = { location: `/v1/recoveries/${recovery.id}` };
  return { status: 202, headers, body: recoveryResult(recovery, asked.seesContents) };
}

export const recoveries: Route[] = [
  route({
    method: "POST",
    path: "/v1/recoveries",
    summary:
      "Request a recovery: a command of the command line with those of its options that may be asked for",
    right: "request",
    headers: keyNeeded,
    body: v.strictObject({
      command: v.picklist(recoveryCommands, listed(recoveryCommands, "or")),
      args,
      confirm: v.exactOptional(v.boolean("true or false")),
      needsApproval: v.exactOptional(v.boolean("true or false")),
    }),
    answers: { 202: answers.recovery },
    audited: ({ body }) => ({
      what: "recovery request",
      over: { command: body.command, args: JSON.stringify(body.args) },
    }),
    answer: (asked, around) => requested(asked, asked.body.command, around),
  }),
  route({
    method: "POST",
    path: "/v1/drills",
    summary: "Request a drill: a restore that is compared, and proves that a restore works",
    right: "request",
    headers: keyNeeded,
    body: v.strictObject({ args }),
    answers: { 202: answers.recovery },
    audited: ({ body }) => ({
      what: "recovery request",
      over: { command: "drill", args: JSON.stringify(body.args) },
    }),
    answer: (asked, around) => requested(asked, "drill", around),
  }),
  route({
    method: "GET",
    path: "/v1/recoveries",
    summary: "The recoveries, the newest first, without what may quote documents",
    right: "see",
    answers: { 200: answers.recoveries },
    answer: async (_, { store }) => {
      const { recoveries: found, damaged } = await listRecoveries(store);
      return { body: { recoveries: found.map((one) => recoveryResult(one, false)), damaged } };
    },
  }),
  route({
    method: "GET",
    path: "/v1/recoveries/{id}",
    summary: "One recovery; its arguments, plan and result for who may read documents",
    right: "see",
    params: id,
    answers: { 200: answers.recovery },
    audited: ({ params, seesContents }) =>
      seesContents ? { what: "recovery show", over: params } : undefined,
    answer: async ({ params, seesContents }, { store }) => {
      return { body: recoveryResult(await found(params.id, store), seesContents) };
    },
  }),
  route({
    method: "POST",
    path: "/v1/recoveries/{id}/confirm",
    summary:
      "Confirm a recovery that waits for it: `number` is that of the event with the plan that was seen, `planIn` of the recovery; `name`, what a person has typed to confirm it, goes into the audit",
    right: "request",
    params: id,
    body: v.strictObject({ number: eventNumber, name: v.exactOptional(typedName) }),
    answers: { 200: answers.recovery },
    audited: ({ params, body: { number, name } }) => ({
      what: "recovery confirm",
      over: { ...params, number: String(number), ...(name === undefined ? {} : { name }) },
    }),
    answer: async (asked, { store, clock, waker }) => {
      const { params, body } = asked;
      const recovery = await confirm(store, clock, params.id, actorOf(asked), body.number);
      waker.wake(recoveriesSubject);
      return { body: recoveryResult(recovery, asked.seesContents) };
    },
  }),
  route({
    method: "POST",
    path: "/v1/recoveries/{id}/approve",
    summary:
      "Approve a recovery that waits for it, and that somebody else has requested and confirmed",
    right: "approve",
    params: id,
    answers: { 200: answers.recovery },
    audited: ({ params }) => ({ what: "recovery approve", over: params }),
    answer: async (asked, { store, clock, waker }) => {
      const recovery = await approve(store, clock, asked.params.id, actorOf(asked));
      waker.wake(recoveriesSubject);
      return { body: recoveryResult(recovery, asked.seesContents) };
    },
  }),
  route({
    method: "POST",
    path: "/v1/recoveries/{id}/cancel",
    summary: "Cancel a recovery",
    right: "request",
    params: id,
    answers: { 200: answers.recovery },
    audited: ({ params }) => ({ what: "recovery cancel", over: params }),
    answer: async (asked, { store, clock, waker }) => {
      const recovery = await cancel(store, clock, asked.params.id, actorOf(asked));
      waker.wake(recoveriesSubject);
      return { body: recoveryResult(recovery, asked.seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/recoveries/{id}/events",
    summary:
      "What becomes of a recovery, as server-sent events: each has the number of a change as its id, and the recovery's state as its data. After the last one, 204",
    right: "see",
    params: id,
    headers: {},
    answers: { 200: answers.events },
    isStream: true,
    audited: ({ params, seesContents }) =>
      seesContents ? { what: "recovery events", over: params } : undefined,
    answer: async ({ params, seesContents, header }, around) => {
      const recovery = await found(params.id, around.store);
      const after = Number(/^\d{1,10}$/.exec(header("last-event-id") ?? "")?.[0] ?? 0);
      // A client of event streams asks again whenever one ends, unless it is told this.
      if (isEnded(recovery) && after >= recovery.number) return { status: 204, body: {} };
      return {
        body: new EventStream((to) => followRecovery(params.id, after, seesContents, around, to)),
      };
    },
  }),
];

async function found(sought: string, store: Surroundings["store"]): Promise<Recovery> {
  const recovery = await readRecovery(store, sought);
  if (recovery) return recovery;
  throw new Refusal("not-found", `there is no recovery ${sought}`);
}
