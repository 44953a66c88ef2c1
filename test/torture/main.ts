/**
 * The torture: writers write, and everything that may go wrong does, in an order that a seed decides; then instants are
 * held against what the writers know. `npm run torture -- --minutes 10 --servers 3 --seed 7`.
 * Ends with status 1 if anything is wrong.
 */
import { parseArgs } from "node:util";
import type { StatusResult } from "../endtoend/cli.js";
import { until } from "../endtoend/stage.js";
import { seededRandom } from "../endtoend/workload.js";
import { type Action, actionsFor, beginnings, shuffled } from "./actions.js";
import { choose, type Disturbance } from "./instants.js";
import { judge, judgeEnd, noVerdicts } from "./judge.js";
import { LagReader } from "./lag.js";
import { overlong, printReport } from "./report.js";
import { pause } from "./table.js";
import { World } from "./world.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    servers: { type: "string", default: "1" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    instants: { type: "string", default: "200" },
    "servers-only": { type: "boolean", default: false },
    lanes: { type: "boolean", default: false },
  },
});
const minutes = Number(values.minutes);
const servers = Number(values.servers);
const seed = Number(values.seed);
const wanted = Number(values.instants);
const random = seededRandom(seed);
/** Of so many instants, one is restored through the CLI. */
const byCommandEvery = 12;

console.log(`torture: ${minutes} minutes, ${servers} servers, seed ${seed}`);
const world = await World.make(seed, servers, values.lanes);
const lag = new LagReader(world.repo);
if (!world.clock) console.log("libfaketime is not installed: NO CLOCK IS SET (apt: libfaketime)");
const verdicts = noVerdicts();
const disturbances: Disturbance[] = [];
const say = (text: string) =>
  console.log(`${((Date.now() - world.began) / 1000).toFixed(1).padStart(7)} s  ${text}`);

async function disturb(action: Action): Promise<void> {
  const { name, excused } = action;
  say(name);
  const from = Date.now();
  world.events.note(name, excused);
  await action.act(world, random);
  await world.keepCapture();
  world.events.note(`${name}: over`);
  await world.audit();
  disturbances.push({ name, from, to: Date.now() });
}

async function judgeOne(status: StatusResult, byCommand: boolean): Promise<void> {
  const chosen = choose(world.tables, disturbances, random);
  const known = verdicts.wrong.length;
  if (chosen) await judge(world, chosen, status, byCommand, verdicts);
  for (const wrong of verdicts.wrong.slice(known)) say(`WRONG ${wrong}`);
}

/** One table after another is resynced; all of them can be restored to now. */
async function settle(): Promise<void> {
  await world.keepCapture();
  const ended = Date.now() + 1500;
  const living = world.slots.map(({ table }) => table.id);
  await until(
    "everything is exact",
    async () => {
      const { tables } = await world.status();
      return living.every((id) => {
        const table = tables.find((one) => one.id === id);
        return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > ended;
      });
    },
    120_000,
  );
}

/** Everything once in some order, then again in another. */
async function torture(): Promise<void> {
  const end = Date.now() + minutes * 60_000;
  const actions = actionsFor(world, servers, {
    serversOnly: values["servers-only"],
    hasLanes: values.lanes,
  });
  let deck: Action[] = beginnings(servers);
  while (Date.now() < end) {
    if (deck.length === 0) deck = shuffled(actions, random);
    await disturb(deck.shift()!);
    await pause(200 + 5000 * random());
    if (random() < 0.15) await judgeOne(await world.status(), true);
  }
}

async function judgeMany(): Promise<void> {
  const status = await world.status();
  for (let tries = 1; verdicts.exact < wanted && tries <= 10 * wanted; tries += 1) {
    await judgeOne(status, tries % byCommandEvery === 0);
    if (tries % 50 === 0) say(`${verdicts.exact} exact instants, ${verdicts.wrong.length} wrong`);
  }
}

function isBad(): boolean {
  const bad = [verdicts.wrong, world.failures, overlong(world, lag.samples)];
  return bad.some((of) => of.length > 0);
}

try {
  await torture();
  await world.endWriters();
  say("the writers have ended");
  await settle();
  lag.end();
  await world.endCapture("SIGTERM");
  await world.endSecond("SIGTERM");
  say("judging");
  await judgeEnd(world, verdicts);
  await judgeMany();
} catch (error) {
  world.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  try {
    lag.end();
    await printReport({ minutes, seed, disturbances, world, verdicts, samples: lag.samples });
  } catch (error) {
    world.failures.push(`the report: ${String(error)}`);
    console.log(world.failures.join("\n"));
  }
  await world.endWriters();
  await world.close(isBad());
}
process.exitCode = isBad() ? 1 : 0;
