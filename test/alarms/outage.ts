/**
 * The long run of the test of an outage: `npx tsx test/alarms/outage.ts 500 10` has 500 tables, and a store that is away
 * for 10 minutes. Prints what each channel got.
 */
import { outage } from "../endtoend/alarm-outage.js";
import { toldBy } from "../endtoend/alarm-receiver.js";
import { Stage } from "../endtoend/stage.js";

const [tables = 500, minutes = 10] = process.argv.slice(2).map(Number);
const stage = await Stage.open();
try {
  const { webhook, command } = await outage(stage, {
    tables,
    awayMs: minutes * 60_000,
    after: "1m",
  });
  console.log(JSON.stringify({ webhook: toldBy(webhook), command: toldBy(command) }, null, 2));
  const wanted = JSON.stringify(["raised store-away", "ended store-away"]);
  const isRight = [webhook, command].every((all) => JSON.stringify(toldBy(all)) === wanted);
  process.exitCode = isRight ? 0 : 1;
} finally {
  await stage.close();
}
