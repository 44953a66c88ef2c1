/**
 * The torture: writers write, and everything that may go wrong does, at random from a seed; then instants are restored
 * through the CLI and held against what the writers know. `npm run torture -- --minutes 10 --seed 7`.
 * Ends with status 1 if anything is wrong.
 */
import { parseArgs } from "node:util";
import { until } from "../endtoend/stage.js";
import { seededRandom } from "../endtoend/workload.js";
import { actions } from "./actions.js";
import { judge, judgeEnd, noVerdicts } from "./judge.js";
import { printReport } from "./report.js";
import { pause } from "./table.js";
import { World } from "./world.js";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    instants: { type: "string", default: "20" },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const random = seededRandom(seed);
console.log(`torture: ${minutes} minutes, seed ${seed}`);

const world = await World.make();
const verdicts = noVerdicts();
const done = new Map<string, number>();
const say = (text: string) =>
  console.log(`${((Date.now() - world.began) / 1000).toFixed(1).padStart(7)} s  ${text}`);

async function judgeOne(): Promise<void> {
  const table = world.tables[Math.floor(random() * world.tables.length)]!;
  const end = table.died ?? Date.now();
  await judge(world, table, Math.floor(table.born + random() * (end - table.born)), verdicts);
}

/** A repaired cluster that stands still, all of it restorable. */
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

try {
  const end = Date.now() + minutes * 60_000;
  while (Date.now() < end) {
    const action = actions[Math.floor(random() * actions.length)]!;
    say(action.name);
    await action.act(world, random);
    done.set(action.name, (done.get(action.name) ?? 0) + 1);
    await world.keepCapture();
    await pause(200 + 4000 * random());
    if (random() < 0.25) await judgeOne();
  }
  await world.endWriters();
  say("the writers have ended");
  await settle();
  await world.endCapture("SIGTERM");
  say("judging");
  await judgeEnd(world, verdicts);
  const wanted = verdicts.exact + Number(values.instants);
  for (let tries = 0; verdicts.exact < wanted && tries < 4 * wanted; tries += 1) {
    await judgeOne();
    if (tries % 10 === 9) say(`${verdicts.exact} exact instants, ${verdicts.wrong.length} wrong`);
  }
  await printReport({ minutes, seed, done, world, verdicts });
} catch (error) {
  world.failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  await printReport({ minutes, seed, done, world, verdicts });
} finally {
  await world.endWriters();
  await world.close(verdicts.wrong.length > 0);
}
process.exitCode = verdicts.wrong.length + world.failures.length > 0 ? 1 : 0;
