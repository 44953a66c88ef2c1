/** A process of its own that says again and again up to which instant each table of a repository is proven. */
import { openRepository } from "../../src/repository/repository.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { readStatus } from "../../src/repository/status.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { Sample } from "./lag.js";
import { pause } from "./table.js";

const everyMs = 1000;
/** Of the time, not more than a third is spent on reading. */
const restShare = 2;

async function read(repo: string): Promise<Sample> {
  const repository = await openRepository(new DirectoryStore(repo));
  const { tables, restorableUntil } = await lookAt(repository, (view) => readStatus(view));
  const proven = tables.flatMap(({ id, intervals }): [string, number][] => {
    const last = intervals.findLast((one) => one.class === "exact" || one.class === "late");
    return last ? [[id, last.to]] : [];
  });
  const exact = tables.flatMap(({ id, intervals }): [string, number][] => {
    const last = intervals.findLast((one) => one.class === "exact");
    return last ? [[id, last.to]] : [];
  });
  return {
    at: Date.now(),
    proven: Object.fromEntries(proven),
    exact: Object.fromEntries(exact),
    whole: restorableUntil,
  };
}

const [repo] = process.argv.slice(2);
process.on("disconnect", () => process.exit());
for (;;) {
  const from = performance.now();
  try {
    process.send!(await read(repo!));
  } catch (error) {
    // The store is away, or there is no repository yet.
    if (!(error instanceof Error)) throw error;
  }
  const ms = performance.now() - from;
  await pause(Math.max(everyMs - ms, restShare * ms));
}
