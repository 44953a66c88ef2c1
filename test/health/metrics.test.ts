/** What a process tells to Prometheus, by what it knows. */
import { expect, test } from "vitest";
import { Metrics } from "../../src/health/metrics.js";
import { type StatusPrinted, stateOf } from "../../src/health/repository-state.js";
import { readExposition, valueIn } from "./exposition.js";
import { began, ToldFacts } from "./told.js";

const start = began / 1000;

function world(isFirst = () => true) {
  const told = new ToldFacts();
  const { facts, clock } = told;
  const metrics = new Metrics({ facts, clock, version: "1.2.3", isFirst });
  const read = async () => readExposition(await metrics.text());
  return { told, facts, metrics, read, value: async (key: string) => valueIn(await read(), key) };
}

test("each series that can exist is there before anything has happened", async () => {
  const { told, facts, value } = world();
  told.lane(0).begins();
  told.state("orders", "opening");
  facts.alarmChannel("pager");
  facts.work("maintenance");
  facts.redis = { answeredAt: undefined };
  for (const [key, expected] of Object.entries({
    'thinkback_build_info{format="1",version="1.2.3"}': 1,
    'thinkback_faults{fault="store"}': 0,
    'thinkback_lane_tick_stored_timestamp_seconds{lane="0"}': 0,
    thinkback_tick_stored_timestamp_seconds: 0,
    thinkback_frontier_timestamp_seconds: 0,
    thinkback_restorable_until_timestamp_seconds: 0,
    'thinkback_tables{state="opening"}': 1,
    'thinkback_tables{state="stopped"}': 0,
    'thinkback_table_frontier_timestamp_seconds{table="shop.orders"}': 0,
    'thinkback_table_changes_total{table="shop.orders"}': 0,
    'thinkback_changes_total{op="delete"}': 0,
    thinkback_gaps_total: 0,
    'thinkback_store_requests_total{op="list"}': 0,
    'thinkback_store_request_failures_total{op="put"}': 0,
    'thinkback_store_request_duration_seconds_count{op="put"}': 0,
    thinkback_spool_bytes: 0,
    thinkback_spool_limit_bytes: undefined,
    'thinkback_work_attempts_total{work="maintenance"}': 0,
    'thinkback_work_success_timestamp_seconds{work="maintenance"}': 0,
    'thinkback_alarm_deliveries_total{channel="pager"}': 0,
    'thinkback_alarm_delivery_failures_total{channel="pager"}': 0,
    'thinkback_alarm_delivery_success_timestamp_seconds{channel="pager"}': 0,
    thinkback_redis_answer_timestamp_seconds: 0,
    thinkback_event_loop_delay_seconds_count: 0,
  })) {
    expect([key, await value(key)]).toEqual([key, expected]);
  }
});

test("when Redis last answered is told only where one is used", async () => {
  const { told, facts, value } = world();
  const answer = "thinkback_redis_answer_timestamp_seconds";
  expect(await value(answer)).toBeUndefined();
  facts.redis = { answeredAt: told.now };
  told.ms = 60_000;
  expect(await value(answer)).toBe(start);
});

test("moments are told, and stand still when nothing is stored any more", async () => {
  const { told, value } = world();
  told.lane(0).begins();
  for (const name of ["orders", "users"]) told.state(name, "live");
  told.ms = 5000;
  told.tick({ orders: began + 4000, users: began + 3000 });
  const frontier = "thinkback_frontier_timestamp_seconds";
  const until = "thinkback_restorable_until_timestamp_seconds";
  const of = (table: string) => `thinkback_table_frontier_timestamp_seconds{table="shop.${table}"}`;
  const all = async () => [
    await value(of("orders")),
    await value(of("users")),
    await value(frontier),
    await value(until),
    await value("thinkback_tick_stored_timestamp_seconds"),
    await value("thinkback_catalog_frontier_timestamp_seconds"),
  ];
  const expected = [start + 4, start + 3, start + 3, start + 3, start + 5, start + 5];
  expect(await all()).toEqual(expected);
  told.lane(0).storeFails(new Error("away"));
  told.ms += 3_600_000;
  expect(await all()).toEqual(expected);
  expect(await value("thinkback_healthy")).toBe(0);
  expect(await value('thinkback_faults{fault="store"}')).toBe(1);
  expect(await value('thinkback_faults{fault="tables"}')).toBe(0);
});

test("a table that is not restorable keeps back what all can be restored to, and not what is proven", async () => {
  const { told, value } = world();
  told.lane(0).begins();
  told.state("orders", "live");
  told.tick(["orders"]);
  const last = told.now / 1000;
  told.state("orders", "gap", { reason: "the connection was lost" });
  told.ms += 10_000;
  told.state("orders", "resyncing");
  told.tick(["orders"]);
  expect(await value("thinkback_frontier_timestamp_seconds")).toBe(told.now / 1000);
  expect(await value("thinkback_restorable_until_timestamp_seconds")).toBe(last);
  expect(await value("thinkback_gaps_total")).toBe(1);
  told.state("new", "copying");
  told.tick(["orders", "new"]);
  expect(await value("thinkback_restorable_until_timestamp_seconds")).toBe(0);
});

test("a table that is dropped loses its series, and the sums do not fall", async () => {
  const { told, value } = world();
  told.lane(0).begins();
  for (const name of ["orders", "users"]) told.state(name, "live");
  const orders = { changes: 6, inserts: 3, deletes: 1, bytes: 60 };
  const users = { changes: 1, inserts: 1, deletes: 0, bytes: 10 };
  told.tick(["orders", "users"], { totals: { orders, users } });
  const changes = 'thinkback_table_changes_total{table="shop.orders"}';
  expect(await value(changes)).toBe(6);
  told.state("orders", "dropped");
  expect(await value(changes)).toBeUndefined();
  const frontier = 'thinkback_table_frontier_timestamp_seconds{table="shop.orders"}';
  expect(await value(frontier)).toBeUndefined();
  expect(await value('thinkback_changes_total{op="insert"}')).toBe(4);
  expect(await value('thinkback_changes_total{op="replace"}')).toBe(2);
  expect(await value('thinkback_changes_total{op="delete"}')).toBe(1);
  expect(await value("thinkback_change_bytes_total")).toBe(70);
});

test("a table that is renamed goes on under its new name", async () => {
  const { told, value } = world();
  told.lane(0).begins();
  told.state("orders", "live");
  told.tick(["orders"]);
  told.lane(0).renamed({ id: "id-of-orders", db: "shop", name: "sales", primaryKey: "id" });
  const of = (name: string) => value(`thinkback_table_frontier_timestamp_seconds{table="${name}"}`);
  expect(await of("shop.orders")).toBeUndefined();
  expect(await of("shop.sales")).toBe(start);
});

test("a process that captures nothing has no series of what it would capture", async () => {
  const { told, value } = world(() => false);
  told.lane(0).begins();
  told.lane(0).standsBy({ host: "h", process: 1 }, 1000);
  expect(await value('thinkback_lanes{state="standby"}')).toBe(1);
  expect(await value('thinkback_lanes{state="captured"}')).toBe(0);
  expect(await value("thinkback_is_first")).toBe(0);
  for (const key of ["frontier", "restorable_until", "tick_stored", "catalog_frontier"])
    expect(await value(`thinkback_${key}_timestamp_seconds`)).toBeUndefined();
});

test("requests are counted by kind, with their failures and how long they took", async () => {
  const { facts, value } = world();
  facts.use.puts = 3;
  facts.use.bytesUp = 100;
  facts.requestEnded("puts", 80, false);
  facts.requestEnded("puts", 3000, true);
  expect(await value('thinkback_store_requests_total{op="put"}')).toBe(3);
  expect(await value('thinkback_store_request_failures_total{op="put"}')).toBe(1);
  expect(await value("thinkback_store_sent_bytes_total")).toBe(100);
  const bucket = (le: string) =>
    value(`thinkback_store_request_duration_seconds_bucket{le="${le}",op="put"}`);
  expect([await bucket("0.05"), await bucket("0.1"), await bucket("10")]).toEqual([0, 1, 2]);
});

test("what waits is told by where it waits, and a copy by when it was level", async () => {
  const { told, facts, value } = world();
  told.lane(0).begins();
  told.lane(0).waits(5, 70);
  facts.spoolBytesMax = 1000;
  const copy = facts.copyObserver("s3://bucket/copy");
  const level = 'thinkback_copy_level_timestamp_seconds{copy="s3://bucket/copy"}';
  expect(await value("thinkback_waiting_bytes")).toBe(5);
  expect(await value("thinkback_spool_bytes")).toBe(70);
  expect(await value("thinkback_spool_limit_bytes")).toBe(1000);
  expect(await value(level)).toBe(0);
  told.ms = 2000;
  copy.keepsUp();
  told.ms = 9000;
  expect(await value(level)).toBe(start + 2);
});

test("work and alarms are counted, failures beside attempts", async () => {
  const { told, facts, value } = world();
  facts.succeeded("maintenance");
  told.ms = 1000;
  facts.failed("maintenance", new Error("away"));
  facts.alarmDelivered("pager", true);
  facts.alarmDelivered("pager", false);
  expect(await value('thinkback_work_attempts_total{work="maintenance"}')).toBe(2);
  expect(await value('thinkback_work_failures_total{work="maintenance"}')).toBe(1);
  const work = (what: string) => `thinkback_work_${what}_timestamp_seconds{work="maintenance"}`;
  expect(await value(work("success"))).toBe(start);
  expect(await value(work("failure"))).toBe(start + 1);
  expect(await value('thinkback_alarm_deliveries_total{channel="pager"}')).toBe(2);
  expect(await value('thinkback_alarm_delivery_failures_total{channel="pager"}')).toBe(1);
});

const table = {
  lane: 0,
  state: "live",
  openGap: null,
  stopped: null,
  lastRestorable: null,
  failedDrill: null,
  damagedSince: null,
  documents: 3,
};
const printed: StatusPrinted = {
  restorableUntil: "2026-03-01T11:59:50.000+00:00",
  lastProven: { done: "2026-03-01T03:00:00.000+00:00", tables: 1, of: 2 },
  lastDrillFailed: null,
  behindNowMs: 10_000,
  pins: [],
  clockWaitedOutMs: 0,
  aheadOfSource: null,
  overdueKeys: [{ name: "ada" }],
  lanes: [
    { lane: 0, inUse: true, capture: { state: "running" } },
    { lane: 1, inUse: true, capture: { state: "silent" } },
    { lane: 2, inUse: false, capture: { state: "ended" } },
  ],
  segments: 12,
  foldedSegments: 3,
  tables: [
    {
      ...table,
      id: "1",
      name: "shop.orders",
      lastProven: { done: "2026-03-01T03:00:00.000+00:00" },
      intervals: [{ class: "exact" }, { class: "gap" }, { class: "late" }, { class: "gap" }],
    },
    {
      ...table,
      id: "2",
      name: "shop.users",
      lastProven: null,
      damagedSince: "2026-03-01T02:00:00.000+00:00",
      intervals: [{ class: "damaged" }],
    },
    {
      ...table,
      id: "3",
      name: "shop.old",
      state: "dropped",
      lastProven: null,
      intervals: [{ class: "unwatched" }],
    },
  ],
};

test("what the repository says of itself is told while this process reads it, and not after", async () => {
  const { told, facts, value } = world();
  expect(await value("thinkback_last_proven_timestamp_seconds")).toBeUndefined();
  expect(await value('thinkback_holes{class="gap"}')).toBeUndefined();
  facts.repository = stateOf(printed, told.now);
  const proven = Date.parse("2026-03-01T03:00:00Z") / 1000;
  for (const [key, expected] of Object.entries({
    thinkback_repository_restorable_until_timestamp_seconds: start - 10,
    thinkback_last_proven_timestamp_seconds: proven,
    thinkback_least_proven_timestamp_seconds: 0,
    thinkback_proven_tables: 1,
    thinkback_repository_tables: 2,
    thinkback_drill_failed: 0,
    'thinkback_holes{class="late"}': 1,
    'thinkback_holes{class="gap"}': 2,
    'thinkback_holes{class="unwatched"}': 0,
    'thinkback_holes{class="damaged"}': 1,
    thinkback_damaged_tables: 1,
    thinkback_overdue_keys: 1,
    thinkback_silent_lanes: 1,
    thinkback_segments: 12,
    thinkback_folded_segments: 3,
  })) {
    expect([key, await value(key)]).toEqual([key, expected]);
  }
  facts.repository = undefined;
  expect(await value("thinkback_last_proven_timestamp_seconds")).toBeUndefined();
});

test("a name of a table that looks like syntax stays one label", async () => {
  const { told, read } = world();
  told.lane(0).begins();
  told.state('a"b\\c\nd', "live");
  const [key] = (await read()).get("thinkback_table_frontier_timestamp_seconds")!.samples.keys();
  expect(key).toBe('thinkback_table_frontier_timestamp_seconds{table="shop.a\\"b\\\\c\\nd"}');
});

test("a stall of the event loop is measured", async () => {
  const { told, metrics, value } = world();
  const stop = new AbortController();
  let sleeps = 0;
  const late = told.clock.sleep;
  told.clock.sleep = async (ms) => {
    sleeps += 1;
    await late(ms + (sleeps === 3 ? 2000 : 1));
    if (sleeps === 5) stop.abort(new Error("enough"));
  };
  await metrics.measure(stop.signal);
  const bucket = (le: string) => value(`thinkback_event_loop_delay_seconds_bucket{le="${le}"}`);
  expect([await bucket("0.01"), await bucket("1"), await bucket("2.5")]).toEqual([3, 3, 4]);
});
