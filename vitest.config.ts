import { configDefaults, defineConfig } from "vitest/config";

/** Each takes most of a minute: `npm run test:long` runs them. */
const long = [
  "test/endtoend/alarm-outage.test.ts",
  "test/endtoend/alarms.test.ts",
  "test/endtoend/catalog-instants.test.ts",
  "test/endtoend/change-of-keys.test.ts",
  "test/endtoend/clock.test.ts",
  "test/endtoend/exchange.test.ts",
  "test/endtoend/filled-by-restore.test.ts",
  "test/endtoend/follow.test.ts",
  "test/endtoend/heartbeat.test.ts",
  "test/endtoend/interrupted-init.test.ts",
  "test/endtoend/masked.test.ts",
  "test/endtoend/preview.test.ts",
  "test/endtoend/promote.test.ts",
  "test/endtoend/recoveries.test.ts",
  "test/endtoend/restore-selected.test.ts",
  "test/endtoend/see.test.ts",
  "test/docs/evidence-page.test.ts",
  "test/docs/recovery-page.test.ts",
  "test/endtoend/sealed-copies.test.ts",
  "test/endtoend/standby-catalog.test.ts",
  "test/endtoend/standby-lanes.test.ts",
  "test/endtoend/standby-takeover.test.ts",
  "test/endtoend/stopped-restore.test.ts",
  "test/endtoend/stranger.test.ts",
  "test/endtoend/undo-gaps.test.ts",
  "test/endtoend/undo-plans.test.ts",
  "test/endtoend/undo-tables.test.ts",
  "test/recovery/history.test.ts",
  "test/repository/month.test.ts",
  "test/rethinkdb/large-replacement.test.ts",
  "test/rethinkdb/swapped-names.test.ts",
  "test/rethinkdb/swapped-writes.test.ts",
  "test/simulation/clock-set.test.ts",
  "test/simulation/lane-members.test.ts",
  "test/simulation/lanes.test.ts",
  "test/simulation/lost-log.test.ts",
  "test/storage/stores-race.test.ts",
];
const isLong = process.env["THINKBACK_LONG"] !== undefined;
if (!isLong) console.log(`left to npm run test:long: ${long.join(", ")}`);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...(isLong ? [] : long)],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});
