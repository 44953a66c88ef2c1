/** Routes for everybody with a token: they show no document. */
import * as v from "valibot";
import { formatInstant } from "../instant.js";
import { listDrills, readDrill } from "../repository/records/drills.js";
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
      const drills: object[] = [];
      const reading = severalAtOnce(names, readsAtOnce, (name) => readDrill(store, name));
      for await (const drill of reading) {
        const [begun, ended, instant] = [drill.begun, drill.ended, drill.instant].map(
          formatInstant,
        );
        drills.push({ ...drill, begun, ended, instant });
      }
      return { body: answers.shown(answers.drills, { drills }, seesContents) };
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
      const verifications: object[] = [];
      const reading = severalAtOnce(newest, readsAtOnce, (name) => readVerification(store, name));
      for await (const one of reading) {
        const [begun, ended] = [one.begun, one.ended].map(formatInstant);
        verifications.push({ ...one, begun, ended });
      }
      return { body: answers.shown(answers.verifications, { verifications }, seesContents) };
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
