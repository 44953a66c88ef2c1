import { systemClock } from "../clock.js";
import { storeOfCopies } from "../copies/open-copies.js";
import type { CopyTrouble } from "../storage/fallback-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Output } from "./output.js";
import { countedStore } from "./store-use-text.js";

/** So many troubles are printed one by one. */
const printedMax = 20;

/** What --repo gives to a command that reads: one place, or several copies of one repository. */
export type Repos = string | readonly string[];

/** The same, and an output that adds to the result what was sent to the store; of several nothing is counted. */
export async function countedCopies(
  given: Repos,
  output: Output,
): Promise<{ store: ObjectStore; output: Output }> {
  const [only, ...others] = [given].flat() as string[];
  if (others.length === 0) return countedStore(only!, output);
  return { store: await copiesAt(given, output), output };
}

/** The store of a repository to read, of which several copies may be given. Says on stderr what is wrong with one. */
export function copiesAt(given: Repos, output: Output): Promise<ObjectStore> {
  let count = 0;
  const onTrouble = ({ location, object, what }: CopyTrouble) => {
    count += 1;
    if (count > printedMax + 1) return;
    if (count === printedMax + 1) output.note("thinkback: there is more amiss with the copies");
    else if (object === undefined)
      output.note(`thinkback: the copy at ${location} is not used now: ${what}`);
    else output.note(`thinkback: ${object} is read from another copy than ${location}: ${what}`);
  };
  return storeOfCopies([given].flat() as string[], systemClock, onTrouble);
}
