/**
 * One of the processes of a race. Prints "ready", waits for a line, puts all names, and prints which it won, as JSON.
 * It takes the built store, which is loaded sooner than its source. Arguments: location, its own number, how many names.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { failureOf } from "../../dist/storage/object-store.js";
import { storeAt } from "../../dist/storage/store-at.js";

const [location = "", writer = "", names = ""] = process.argv.slice(2);
const store = storeAt(location);
// Whatever is loaded or opened first is done before the race begins.
await store.size("race/0");
process.stdout.write("ready\n");
const [line] = await once(process.stdin, "data");
const begin = Number(line);
/** All begin with a name at one time: else one process would be ahead, and win every name without a race. */
const slotMs = 60;
const won = [];
for (let round = 0; round < Number(names); round += 1) {
  await sleep(Math.max(0, begin + round * slotMs - Date.now()));
  try {
    await store.put(
      `race/${round}`,
      Buffer.from(`writer ${writer} in round ${round}\n`.repeat(50)),
    );
    won.push(round);
  } catch (error) {
    if (failureOf(error) !== "exists") throw error;
  }
}
process.stdout.write(`${JSON.stringify(won)}\n`);
process.exit();
