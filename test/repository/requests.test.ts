/**
 * What each command asks of a store, counted in requests of a bucket: a few, however long the history is, however many
 * writers it had, and however many other tables there are. A listing is one request for each thousand names.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { lookAtPins } from "../../src/repository/kept-pins.js";
import { openRepository } from "../../src/repository/repository.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { readStatus } from "../../src/repository/status.js";
import { planDrill } from "../../src/restore/drill-plan.js";
import { planRestore } from "../../src/restore/plan.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { maintain, planMaintenance } from "../../src/upkeep/maintain.js";
import { agedEnd, agedRepository } from "./aged.js";
import { CountingStore } from "./counting-store.js";
import { patient } from "./month.js";
import { copyOf, namesIn, StillClock } from "./recording.js";

const aged = [
  { name: "a week of 3 tables", days: 7, tables: 3 },
  { name: "a year of 3 tables", days: 365, tables: 3 },
  { name: "a week of 300 tables", days: 7, tables: 300 },
];
const stores = new Map<string, MemoryStore>();

beforeAll(async () => {
  for (const { name, days, tables } of aged) {
    const store = new MemoryStore();
    await agedRepository(days, store, tables);
    stores.set(name, store);
  }
}, 600_000);

const graceMs = 15 * 60_000;
const oneTable = {
  tables: ["shop.t1"],
  databases: [],
  renames: new Map<string, string>(),
  allowInexact: false,
  nearest: false,
};

/** What is asked for, and with how many requests at most. */
const commands: Record<string, [most: number, work: (of: Repository) => Promise<unknown>]> = {
  status: [40, (of) => lookAt(of, readStatus)],
  "the plan of a restore of one table": [
    20,
    (of) => lookAt(of, (view) => planRestore(view, oneTable)),
  ],
  "the plan of a restore of everything": [
    20,
    (of) => lookAt(of, (view) => planRestore(view, { ...oneTable, tables: [] })),
  ],
  "the plan of a drill by lot": [
    20,
    (of) =>
      lookAt(of, (view) =>
        planDrill(
          view,
          { at: "random", tables: ["shop.t1"], databases: [] },
          "0123456789ab",
          () => 0.5,
        ),
      ),
  ],
  "the pins": [20, (of) => lookAt(of, lookAtPins)],
  "a dry run of expire": [
    20,
    (of) => lookAt(of, (view) => planMaintenance(view, graceMs, agedEnd)),
  ],
  "a round of maintenance with nothing due": [15, (of) => maintainOnce(of)],
};

async function maintainOnce(repository: Repository): Promise<void> {
  const done = await maintain(
    repository,
    {
      clock: patient(new StillClock(agedEnd)),
      owner: { host: "test", process: 3, isAlive: () => false },
      unique: "idle",
      partial: false,
      settleMs: 60_000,
      expires: true,
      graceMs,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
  expect(done).toMatchObject({ tables: [], deleted: [], log: { written: 0 } });
}

describe.each(aged)("of $name", ({ name }) => {
  test.each(Object.keys(commands))("%s takes no more than its requests", async (of) => {
    const [most, work] = commands[of]!;
    const store = new CountingStore(await copyOf(stores.get(name)!));
    await work(await openRepository(store));
    // The further pages of a listing grow with what is stored: one for each thousand objects.
    const pages = store.requests.filter((request) => request.endsWith(" on"));
    const requests = store.requests.filter((request) => !request.endsWith(" on"));
    expect(requests.length, store.requests.join("\n")).toBeLessThanOrEqual(most);
    const stored = await namesIn(stores.get(name)!);
    expect(pages.length).toBeLessThanOrEqual(2 * (1 + stored.length / 1000));
  });
});
