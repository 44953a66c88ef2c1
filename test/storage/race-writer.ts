/**
 * One of the processes of a race. Prints "ready", waits for a line, puts all names, and prints which it won, as JSON.
 * Arguments: location, its own number, how many names.
 */
import { once } from "node:events";
import { failureOf } from "../../src/storage/object-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { bytesOfWriter, nameOfRound } from "./race.js";

const [location = "", writer = "", names = ""] = process.argv.slice(2);
const store = storeAt(location);
// Whatever is loaded or opened first is done before the race begins.
await store.size(nameOfRound(0));
process.stdout.write("ready\n");
await once(process.stdin, "data");
const won: number[] = [];
for (let round = 0; round < Number(names); round += 1) {
  try {
    await store.put(nameOfRound(round), bytesOfWriter(Number(writer), round));
    won.push(round);
  } catch (error) {
    if (failureOf(error) !== "exists") throw error;
  }
}
process.stdout.write(`${JSON.stringify(won)}\n`);
process.exit();
