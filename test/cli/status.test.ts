/** What status says of classes, of the catalog and of access, to people and to machines. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { statusCommand } from "../../src/cli/status.js";
import { systemClock } from "../../src/clock.js";
import { formatInstant } from "../../src/instant.js";
import { claimEpoch } from "../../src/repository/log/claim-epoch.js";
import { openRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";

const table = "0a000000-0000-4000-8000-000000000001";

let directory: string;
let recording: Recording;
let from: number;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-status-"));
  const repository = await makeRepository(new DirectoryStore(directory));
  recording = await Recording.begin(repository, new StillClock());
  recording.coverage("catalog", { state: "live", since: recording.clock.instant });
  const since = recording.log.stamp().time;
  recording.catalog(["table", table], { id: table, name: "orders", db: "shop" });
  recording.coverage(table, { state: "copying", since });
  const base = await recording.copy(table, [["a", { id: "a" }]]);
  from = await recording.tick();
  await base.finish(from, since - 1);
  recording.coverage(table, { state: "live", since: from });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

async function printed(
  now = recording.clock.instant,
): Promise<{ text: string; result: Record<string, unknown> }> {
  vi.spyOn(systemClock, "now").mockReturnValue(now);
  const lines: string[] = [];
  let result = {};
  await statusCommand(
    { repo: directory },
    {
      json: false,
      line: (text) => void lines.push(text.toString()),
      note: () => undefined,
      paint: (_, text) => text,
      resultText: () => undefined,
      resultParts: () => Promise.resolve(),
      result: (value) => {
        result = value;
      },
    },
  );
  return { text: lines.join("\n"), result: result as Record<string, unknown> };
}

test("thousands of late spans are one line, a letter in the bar, and all there for machines", async () => {
  for (let i = 0; i < 2000; i += 1) {
    const since = from + 500_000 + 4 * i;
    recording.coverage(table, { state: "late", since, to: since + 1, lateMs: 2500 + i });
  }
  await recording.tick(1_000_000);
  const { text, result } = await printed();
  expect(text.split("\n").length).toBeLessThan(20);
  expect(text).toContain("2,000 × ≤ 4.5 s");
  const last = formatInstant(from + 500_000 + 4 * 1999 + 1);
  expect(text).toContain(`shop.orders: late 2,000 times, by up to 4.5 s, last until ${last}`);
  expect(text).toMatch(/^shop\.orders {2}█{29,30}▓{1,2}█{28,30}$/m);
  expect(text).toContain("█ exact: proven within 2 s  ▓ late  ▒ gap  · unwatched  X damaged");
  const [of] = result["tables"] as { late: object; intervals: object[] }[];
  expect(of).toMatchObject({ late: { spans: 2000, worstMs: 4499, last } });
  expect(of!.intervals).toHaveLength(4001);
  expect(of!.intervals[1]).toEqual({
    from: formatInstant(from + 500_000),
    to: formatInstant(from + 500_001),
    class: "late",
    lateMs: 2500,
    reason: "proofs were 2.5 s apart",
  });
});

test("whether somebody captures is told: by a segment in time, an end in order, a long silence", async () => {
  const at = await recording.tick(1000);
  const lineIn = (text: string) => /^capture +(.*)$/m.exec(text)?.[1];
  const heardOf = formatInstant(at);
  const running = await printed(at + 29_000);
  expect(lineIn(running.text)).toBe("running: last heard of 29 s ago");
  expect(running.text).toMatch(/^shop\.orders +live +1 /m);
  expect(running.result).toMatchObject({ capture: { state: "running", heardOf } });
  const silent = await printed(at + 31_000);
  expect(lineIn(silent.text)).toMatch(
    `NONE, as it seems: the last capture was last heard of at ${heardOf}, 31 s ago`,
  );
  expect(silent.text).toMatch(/^shop\.orders +live, silent /m);
  expect(silent.result).toMatchObject({
    capture: { state: "silent" },
    tables: [{ state: "live" }],
  });
  // A new one has just begun, with long ticks.
  const repository = await openRepository(new DirectoryStore(directory));
  const owner = { host: "test", process: 2, isAlive: () => false, tickMs: 60_000 };
  recording.clock.instant = at + 30_000;
  await claimEpoch(repository, recording.clock, owner, true);
  for (const [laterMs, state] of [
    [179_000, "running"],
    [181_000, "silent"],
  ] as const) {
    expect((await printed(at + 30_000 + laterMs)).result).toMatchObject({ capture: { state } });
  }
  recording = await Recording.begin(repository, recording.clock, recording.history);
  const end = await recording.tick(1000, { closed: true });
  const ended = await printed(end + 5000);
  expect(lineIn(ended.text)).toBe(
    `NONE: the last capture ended in order at ${formatInstant(end)}, 5 s ago; nothing is captured now`,
  );
  expect(ended.text).toMatch(/^shop\.orders +gap, ended /m);
});

test("one missing segment is one line for all tables that it costs, and counted as damage, not as a gap", async () => {
  const others = Array.from({ length: 5 }, (_, i) => `1${i}000000-0000-4000-8000-000000000001`);
  const bases = [];
  const since = recording.log.stamp().time;
  for (const [i, id] of others.entries()) {
    recording.catalog(["table", id], { id, name: `carts_${i}`, db: "shop" });
    recording.coverage(id, { state: "copying", since });
    bases.push(await recording.copy(id, [["a", { id: "a" }]]));
  }
  const copies = await recording.tick();
  for (const base of bases) await base.finish(copies, since - 1);
  for (const id of others) recording.coverage(id, { state: "live", since: copies });
  const before = await recording.tick();
  const lost = await recording.tick();
  const end = await recording.tick();
  const store = new DirectoryStore(directory);
  await store.delete((await namesIn(store, "log/")).find((one) => one.includes(String(lost)))!);
  const { text } = await printed();
  const reason = "object log/00000001/… number 4 is missing";
  const names = "shop.carts_0, shop.carts_1, shop.carts_2 and 3 more";
  const times = `${formatInstant(before + 1)} to ${formatInstant(end)}`;
  const lines = text.split("\n").filter((line) => line.includes(reason));
  expect(lines).toEqual([
    expect.stringMatching(
      new RegExp(`^${names}: NOTHING SINCE \\S+ CAN BE RESTORED: ${reason.replaceAll(".", "\\.")}`),
    ),
    expect.stringMatching(
      new RegExp(
        `^shop.carts_0, shop.carts_1, shop.carts_2 and 4 more: ${times.replaceAll("+", "\\+")} damaged: `,
      ),
    ),
  ]);
  expect(text).toMatch(/^shop\.orders +live, DAMAGED .* +0 +1 +-$/m);
});

test("a gap of the whole capture is one line, also where its end differs by table", async () => {
  const end = await recording.tick(1000);
  recording.clock.instant += 20_000;
  const repository = await openRepository(new DirectoryStore(directory));
  recording = await Recording.begin(repository, recording.clock, recording.history);
  const { instant } = recording.clock;
  recording.coverage("catalog", { state: "live", since: instant });
  recording.coverage(table, { state: "live", since: instant + 30 });
  await recording.tick(1000);
  const { text } = await printed();
  const gap = `${formatInstant(end + 1)} to ${formatInstant(instant + 29)} gap: capture was not running`;
  expect(text.split("\n").filter((line) => line.includes("gap:"))).toEqual([
    `shop.orders, (catalog): ${gap}`,
  ]);
  expect(text).toMatch(/^shop\.orders +live .* +1 +0 +-$/m);
});

test("what is not proven yet has a letter of its own; what is not watched has another", async () => {
  const end = await recording.tick(60_000);
  recording.coverage("access", { state: "live", since: from });
  await recording.tick(60_000, { lagging: { catalog: end, [table]: end } });
  const { text } = await printed();
  expect(text).toMatch(/^shop\.orders {2}█{29,31}░{29,31}$/m);
  recording.coverage(table, { state: "gap", since: end, reason: "the feed was lost" });
  await recording.tick(60_000, { lagging: { catalog: end } });
  expect((await printed()).text).toMatch(/^shop\.orders {2}█+·+$/m);
});

test("a catalog that is behind is told of, and what that costs; one that is hardly behind is not", async () => {
  await recording.tick(60_000, { lagging: { catalog: from } });
  const { text, result } = await printed();
  const since = formatInstant(from);
  expect(text).toContain(
    `the catalog could not be read since ${since}: new tables, renames, indexes and hooks since then are not known`,
  );
  expect(text).toContain("users and grants were never read");
  expect(result).toMatchObject({
    restorableUntil: since,
    proofBoundMs: 2000,
    catalog: { frontier: since, behindMs: 60_001, state: "live" },
    access: null,
  });
  const now = recording.clock.instant;
  recording.coverage("access", { state: "live", since: now });
  await recording.tick(30_000, { lagging: { catalog: now, access: now } });
  const later = await printed();
  expect(later.text).not.toContain("could not be read");
  expect(later.result).toMatchObject({ access: { frontier: formatInstant(now) } });
});

test("a table that is not proven any more is told of, since when, and why that may be", async () => {
  await recording.tick(20_000, { lagging: { [table]: from } });
  expect((await printed()).text).not.toContain("is not proven since");
  await recording.tick(20_000, { lagging: { [table]: from } });
  const { text, result } = await printed();
  expect(text).toContain(
    `shop.orders is not proven since ${formatInstant(from)}: either the feed is behind`,
  );
  expect(result).toMatchObject({ tables: [{ state: "live", provenTo: formatInstant(from) }] });
});

test("a table that a defect has stopped is told of, with the reason, since when, and what that costs", async () => {
  const last = await recording.tick(5000);
  recording.coverage(table, { state: "stopped", since: last, reason: "it is odd" });
  await recording.tick(60_000);
  const { text, result } = await printed();
  const since = formatInstant(last);
  expect(text).toMatch(/^shop\.orders +stopped /m);
  expect(text).toContain(
    `THE CAPTURE OF shop.orders IS STOPPED since ${since} by a defect: it is odd. It can be restored up to ${since}, ` +
      "and to no later instant until it is captured again\n",
  );
  expect(text).toContain(`restorable until        ${since}`);
  expect(result).toMatchObject({
    restorableUntil: since,
    tables: [{ state: "stopped", stopped: { since, reason: "it is odd" }, lastRestorable: since }],
  });
  recording.coverage(table, { state: "resyncing", since: recording.clock.instant });
  await recording.tick(1000);
  expect((await printed()).text).toContain("captured again (it is tried again now: resyncing)\n");
  recording.coverage(table, { state: "live", since: await recording.tick(1000) });
  await recording.tick(1000);
  const healed = await printed();
  expect(healed.text).not.toContain("STOPPED");
  expect(healed.text).toMatch(/gap: it is odd$/m);
  expect(healed.result).toMatchObject({ tables: [{ state: "live", stopped: null }] });
});

test("what the capture was told to include and is not there is told of, until it is", async () => {
  const repository = await openRepository(new DirectoryStore(directory));
  const owner = { host: "test", process: 2, isAlive: () => false };
  const chosen = { include: ["shop.orders", "shpo.*", "shop.carts"], exclude: ["*.old"] };
  await claimEpoch(repository, recording.clock, { ...owner, ...chosen }, true);
  const { text, result } = await printed();
  expect(text).toContain("--include shpo.* chooses no table of those that are there");
  expect(text).toContain("--include shop.carts chooses no table of those that are there");
  expect(text).not.toContain("--include shop.orders");
  expect(result).toMatchObject({
    chosen: {
      ...chosen,
      idle: [
        { pattern: "shpo.*", excluded: false },
        { pattern: "shop.carts", excluded: false },
      ],
    },
  });
  await claimEpoch(repository, recording.clock, { ...owner, include: [], exclude: ["*"] }, true);
  const none = await printed();
  expect(none.text).toContain("--exclude * leaves no table of those that are there");
  expect(none.result).toMatchObject({ chosen: { idle: [{ pattern: null, excluded: true }] } });
  await claimEpoch(repository, recording.clock, owner, true);
  expect((await printed()).text).not.toMatch(/--include|--exclude/);
});

describe("a capture that does not get on", () => {
  const lineIn = (text: string, begin: string) =>
    text.split("\n").find((line) => line.startsWith(begin));

  test("how far what can be restored is behind the present is told", async () => {
    const at = await recording.tick(1000);
    const { text, result } = await printed(at + 7000);
    expect(lineIn(text, "restorable until")).toBe(
      `restorable until        ${formatInstant(at)}  (7 s behind now)`,
    );
    expect(text).not.toContain("OPEN GAP");
    expect(result).toMatchObject({ behindNowMs: 7000, catalog: { openGap: null } });
    // A clock that is behind the log's time.
    expect((await printed(at - 500)).result).toMatchObject({ behindNowMs: 0 });
  });

  test("an open gap is told right below, with its reason and its begin, until it has ended", async () => {
    const since = await recording.tick(1000);
    const reason = "the connection to the source was lost";
    for (const id of [table, "catalog"]) recording.coverage(id, { state: "gap", since, reason });
    const lagging = { [table]: since, catalog: since };
    let at = await recording.tick(3_600_000, { lagging });
    const open = await printed(at + 5000);
    expect(open.text).toMatch(
      `\ncapture                 running: last heard of 5 s ago\n` +
        `OPEN GAP since ${formatInstant(since)}, for 1 h: shop.orders, (catalog): ${reason}. Nothing later`,
    );
    const openGap = { since: formatInstant(since), reason };
    expect(open.result).toMatchObject({
      behindNowMs: at + 5000 - since,
      tables: [{ state: "gap", openGap }],
      catalog: { openGap },
      access: null,
    });
    recording.coverage("catalog", { state: "live", since: at });
    recording.coverage(table, { state: "resyncing", since: at });
    at = await recording.tick(1000, { lagging: { [table]: since } });
    expect(lineIn((await printed(at)).text, "OPEN GAP")).toContain(
      `shop.orders: ${reason} (watched again now: resyncing)`,
    );
    recording.coverage(table, { state: "live", since: at });
    at = await recording.tick(1000);
    const over = await printed(at);
    expect(over.text).not.toContain("OPEN GAP");
    expect(over.result).toMatchObject({ tables: [{ state: "live", openGap: null }] });
  });

  test("after an end in order there is a gap, and the line of the capture says enough", async () => {
    const since = await recording.tick(1000);
    recording.coverage(table, { state: "gap", since, reason: "the capture ended" });
    const at = await recording.tick(1000, { closed: true });
    const { text, result } = await printed(at);
    expect(text).not.toContain("OPEN GAP");
    expect(result).toMatchObject({ tables: [{ openGap: { reason: "the capture ended" } }] });
  });
});
