/** Routes for everybody with a token: they show no document. */
import * as v from "valibot";
import { isDamage } from "../errors.js";
import { formatInstant } from "../instant.js";
import {
  type Drill,
  type DrillCheck,
  listDrills,
  readDrill,
} from "../repository/records/drills.js";
import { readVerification } from "../repository/records/verifications.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import * as answers from "./answers.js";
import { Refusal } from "./problem.js";
import { type Asked, type Route, route, type Surroundings } from "./route.js";
import { flag, table, time } from "./words.js";

type Seeing = Pick<Asked<unknown, unknown, unknown>, "seesContents">;

type Status = v.InferOutput<typeof answers.status>;

/** What several ask for at once is made ready once: a large status has some MB. */
const shownStatuses = new WeakMap<object, Map<boolean, Status>>();

/** The status of the repository, some seconds old at most, as far as it may be seen. */
export async function statusFor(
  { seesContents }: Seeing,
  { commands }: Pick<Surroundings, "commands">,
): Promise<Status> {
  const found = await commands.sharedResult(["status"]);
  const known = shownStatuses.get(found) ?? new Map<boolean, Status>();
  shownStatuses.set(found, known);
  const shown =
    known.get(seesContents) ?? (answers.shown(answers.status, found, seesContents) as Status);
  known.set(seesContents, shown);
  return shown;
}

/** How many drills and verifications are shown: the newest. */
const shownMax = 100;

/** What can be read of these objects, and the names of those that are damaged. */
async function readSound<T>(
  names: readonly string[],
  read: (name: string) => Promise<T>,
): Promise<{ found: T[]; damaged: string[] }> {
  const [found, damaged]: [T[], string[]] = [[], []];
  const reading = severalAtOnce(names, readsAtOnce, async (name) => {
    try {
      return { name, one: await read(name) };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { name, one: undefined };
    }
  });
  for await (const { name, one } of reading) {
    if (one === undefined) damaged.push(name);
    else found.push(one);
  }
  return { found, damaged };
}

/** A drill as it is shown: of what differs only how much, because the record has keys of documents. */
function drillShown({ failure, tables, checks, ...drill }: Drill): object {
  const [begun, ended, instant] = [drill.begun, drill.ended, drill.instant].map(formatInstant);
  return {
    ...drill,
    begun,
    ended,
    instant,
    ...(failure ? { failure: { kind: failure.code, reason: failure.message } } : {}),
    tables: tables.map(({ differences, ...of }) => {
      if (!differences) return of;
      const { missing, altered, extra, settings } = differences;
      const counts = {
        missing: missing.count,
        altered: altered.count,
        extra: extra.count,
        settings: settings.length,
      };
      return { ...of, differences: counts };
    }),
    ...(checks ? { checks: checks.map(checkShown) } : {}),
  };
}

const checkShown = ({ what, reason, ...check }: DrillCheck): object => ({
  ...check,
  reason: reason === undefined ? what : `${what}: ${reason}`,
});

export const seeing: Route[] = [
  route({
    method: "GET",
    path: "/v1/status",
    summary: "What is captured, and which instants can be restored",
    right: "see",
    answers: { 200: answers.status },
    answer: async (asked, around) => ({ body: await statusFor(asked, around) }),
  }),
  route({
    method: "GET",
    path: "/v1/coverage",
    summary: "Which instants of each table are of which class",
    right: "see",
    query: v.strictObject({ table: v.exactOptional(table) }),
    answers: { 200: answers.coverage },
    answer: async (asked, around) => {
      const found = await statusFor(asked, around);
      const { table: wanted } = asked.query;
      const tables = found.tables.filter(({ name }) => wanted === undefined || name === wanted);
      return { body: v.parse(answers.coverage, { ...found, tables }) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables",
    summary: "The tables, also those that were dropped",
    right: "see",
    answers: { 200: answers.tables },
    answer: async (asked, around) => {
      const { tables } = await statusFor(asked, around);
      return { body: { tables } };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables/{table}",
    summary: "One table; of several that had the name one after another, the newest",
    right: "see",
    params: v.strictObject({ table }),
    answers: { 200: answers.tableStatus },
    answer: async (asked, around) => {
      const { tables } = await statusFor(asked, around);
      const named = tables.filter(({ name }) => name === asked.params.table);
      const found = named.find(({ state }) => state !== "dropped") ?? named.at(-1);
      if (!found) throw new Refusal("not-found", `there is no table ${asked.params.table}`);
      return { body: found };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables/{table}/details",
    summary:
      "The schemas of a table, its bases and its log; code of indexes and write hooks is null for who may not read documents",
    right: "see",
    params: v.strictObject({ table }),
    answers: { 200: answers.tableDetails },
    answer: async ({ params, caller, signal, seesContents }, { commands }) => {
      const found = await commands.result(["table", "--", params.table], caller, signal);
      return { body: answers.shown(answers.tableDetails, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/tables/{table}/reads",
    summary:
      "What a restore of a table to its newest instant reads, about how long it takes, and what it costs if the process has a price profile",
    right: "see",
    params: v.strictObject({ table }),
    answers: { 200: answers.tableReads },
    answer: async ({ params, caller, signal, seesContents }, { commands }) => {
      const args = ["table", "--reads", "--", params.table];
      const found = await commands.result(args, caller, signal);
      return { body: answers.shown(answers.tableReads, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/points",
    summary: "Instants worth choosing: drops, bursts of deletes, marks, pins",
    right: "see",
    query: v.strictObject({
      table: v.exactOptional(table),
      from: v.exactOptional(time),
      to: v.exactOptional(time),
      all: v.exactOptional(flag),
    }),
    answers: { 200: answers.points },
    answer: async ({ query, caller, signal, seesContents }, { commands }) => {
      const { table: name, from, to, all } = query;
      const args = ["points", ...(from ? [`--from=${from}`] : []), ...(to ? [`--to=${to}`] : [])];
      const words = name === undefined ? [] : ["--", name];
      const whole = [...args, ...(all === "true" ? ["--all"] : []), ...words];
      const found = await commands.result(whole, caller, signal);
      return { body: answers.shown(answers.points, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/pins",
    summary: "The pins, and whether each still holds",
    right: "see",
    answers: { 200: answers.pins },
    answer: async ({ seesContents }, { commands }) => {
      const found = await commands.sharedResult(["pin", "list"]);
      return { body: answers.shown(answers.pins, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/marks",
    summary: "The marks",
    right: "see",
    answers: { 200: answers.marks },
    answer: async ({ seesContents }, { commands }) => {
      const found = await commands.sharedResult(["mark", "list"]);
      return { body: answers.shown(answers.marks, found, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/drills",
    summary: `The newest drills, at most ${shownMax}`,
    right: "see",
    answers: { 200: answers.drills },
    answer: async ({ seesContents }, { store }) => {
      const names = (await listDrills(store)).slice(0, shownMax);
      const { found, damaged } = await readSound(names, (name) => readDrill(store, name));
      const body = { drills: found.map(drillShown), damaged };
      return { body: answers.shown(answers.drills, body, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/verifications",
    summary: `What the newest checks of stored objects found, at most ${shownMax}`,
    right: "see",
    answers: { 200: answers.verifications },
    answer: async ({ seesContents }, { store }) => {
      const names: string[] = [];
      for await (const { name } of store.list("verifications/")) names.push(name);
      const newest = names.reverse().slice(0, shownMax);
      const { found, damaged } = await readSound(newest, (name) => readVerification(store, name));
      const verifications = found.map((one) => {
        const [begun, ended] = [one.begun, one.ended].map(formatInstant);
        return { ...one, begun, ended };
      });
      const body = { verifications, damaged };
      return { body: answers.shown(answers.verifications, body, seesContents) };
    },
  }),
  route({
    method: "GET",
    path: "/v1/processes",
    summary: "Which processes capture, and in which lanes",
    right: "see",
    answers: { 200: answers.processes },
    answer: async (asked, around) => {
      const { capture, lanes } = await statusFor(asked, around);
      return { body: { capture, lanes } };
    },
  }),
  route({
    method: "GET",
    path: "/v1/stores",
    summary: "Copies of the repository, and how far each is behind",
    right: "see",
    answers: { 200: answers.stores },
    answer: async (asked, around) => {
      const { copies } = await statusFor(asked, around);
      return { body: { stores: copies } };
    },
  }),
];
