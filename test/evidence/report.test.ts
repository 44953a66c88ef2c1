/** The report of a period: what is in it, what its page says, and that nothing is left out in silence. */
import { beforeAll, describe, expect, test } from "vitest";
import { evidencePage } from "../../src/evidence/page.js";
import { type EvidenceReport, evidenceOf, evidenceResult } from "../../src/evidence/report.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { formatInstant } from "../../src/instant.js";
import { putAcknowledgement } from "../../src/repository/records/acknowledgement.js";
import { listDrills, readDrill } from "../../src/repository/records/drills.js";
import { copyOf } from "../repository/recording.js";
import { makeWorld, orders, posts, type World } from "../verify/world.js";

const hourMs = 3_600_000;

const byText = (a = "", b = "") => (a < b ? -1 : 1);

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});

async function reportOf(
  from: number,
  to: number,
  altered: Record<string, Buffer> = {},
): Promise<EvidenceReport> {
  const store = await copyOf(world.store, altered);
  return evidenceOf({ ...world.repository, store }, { from, to }, world.clock.instant, "1.2.3");
}

const whole = () => reportOf(world.instants.begin, world.clock.instant);

describe("a report has", () => {
  test("the drills, the verifications and the expiries of the period, and no others", async () => {
    const all = await whole();
    const [name] = await listDrills(world.store);
    const drill = await readDrill(world.store, name!);
    expect(all.drills).toEqual([expect.objectContaining({ unique: drill.unique })]);
    expect(all.verifications).toMatchObject([{ sound: true }]);
    expect(all.expiries.length).toBeGreaterThan(1);
    expect(all.unreadable).toEqual([]);
    const none = await reportOf(world.instants.begin, world.instants.begin + hourMs);
    expect([none.drills, none.verifications, none.expiries]).toEqual([[], [], []]);
    const exact = await reportOf(drill.ended, drill.ended);
    expect(exact.drills).toHaveLength(1);
    expect((await reportOf(drill.ended + 1, drill.ended + 2)).drills).toEqual([]);
  });

  test("each table's spans within the period, and what of it is exact", async () => {
    const { last } = world.instants;
    const { tables } = await reportOf(last - hourMs, last);
    for (const { name, spans, exactMs, ofMs } of tables) {
      expect([name, spans[0]!.from >= last - hourMs, spans.at(-1)!.to <= last]).toEqual([
        name,
        true,
        true,
      ]);
      const exact = spans.filter((span) => span.class === "exact");
      expect(exactMs).toBe(exact.reduce((sum, { from, to }) => sum + to - from + 1, 0));
      expect(exactMs).toBeLessThanOrEqual(ofMs);
    }
    expect(tables.map(({ name }) => name)).toContain("shop.orders");
  });

  test("gaps with their reasons, and the note of who knew of one", async () => {
    const before = await whole();
    const gap = before.gaps.find(
      ({ table, acknowledged }) => table === "shop.orders" && !acknowledged,
    )!;
    expect(gap).toMatchObject({ class: expect.stringMatching(/gap|damaged|unwatched/) as string });
    const store = await copyOf(world.store);
    const { from, to } = gap;
    await putAcknowledgement(store, { table: orders, from, to, note: "the power", at: to + 1 });
    const period = { from: world.instants.begin, to: world.clock.instant };
    const after = await evidenceOf({ ...world.repository, store }, period, period.to, "1.2.3");
    expect(after.gaps).toContainEqual({ ...gap, acknowledged: { note: "the power", at: to + 1 } });
  });

  test("a gap that has not ended, up to when the report is made", async () => {
    const made = world.clock.instant + 10 * hourMs;
    const period = { from: world.instants.begin, to: made };
    const { gaps, tables } = await evidenceOf(world.repository, period, made, "1.2.3");
    const open = gaps.find(({ table, to }) => table === "shop.posts" && to === made);
    const watched = tables.find(({ id }) => id === posts)!;
    // The last writer of the world leaves shop.posts out.
    expect(open?.reason).toMatch(/./);
    expect(watched.ofMs - watched.exactMs).toBeGreaterThan(10 * hourMs);
  });

  test("the time after the last proof, but not that of a proof on its way", async () => {
    const { begin } = world.instants;
    const tails = async (made: number) => {
      const all = await evidenceOf(world.repository, { from: begin, to: made }, made, "1.2.3");
      return all.gaps.filter(({ table, to }) => table === "shop.orders" && to === made);
    };
    const orderSpans = (await whole()).tables.find(({ id }) => id === orders)!.spans;
    const last = orderSpans.filter((span) => span.class === "exact").at(-1)!.to;
    expect(await tails(last + 30_000)).toEqual([]);
    expect(await tails(last + 30_001)).toMatchObject([{ from: last + 1, class: "unwatched" }]);
  });

  test("what other parts store: recoveries and the audit trail, of the period", async () => {
    const at = world.instants.last;
    const event = { id: "0a1b2c3d", number: 1, at, state: "waiting", by: { name: "eve" } };
    const entry = {
      at,
      actor: "eve",
      what: "show",
      over: { table: "shop.orders" },
      outcome: "done",
    };
    const instant = String(at).padStart(15, "0");
    const early = String(at - hourMs).padStart(15, "0");
    const report = await reportOf(at - 1, at + 1, {
      "recoveries/0a1b2c3d-0000000001.json": encodeJsonObject("recovery", event),
      "recoveries/0a1b2c3d-0000000002.json": encodeJsonObject("recovery", { ...event, at: at + 2 }),
      [`audit/${instant}-abc-1.json`]: encodeJsonObject("audit", entry),
      [`audit/${early}-abc-0.json`]: Buffer.from("it is of before the period, and not read"),
    });
    expect(report.recoveries).toEqual([
      { object: "recoveries/0a1b2c3d-0000000001.json", ...event },
    ]);
    // The world of the test has an entry of that time, too.
    expect(report.audit).toContainEqual({ object: `audit/${instant}-abc-1.json`, ...entry });
    const { audit } = evidenceResult(report) as { audit: { object: string; at: string }[] };
    expect(audit.find(({ object }) => object.endsWith("-abc-1.json"))!.at).toBe(formatInstant(at));
    expect(report.unreadable).toEqual([]);
  });

  test("the names of what cannot be read", async () => {
    const at = world.instants.last;
    const audit = `audit/${String(at).padStart(15, "0")}-abc-1.json`;
    const [drill] = await listDrills(world.store);
    const bytes = Buffer.from(await world.store.get(drill!));
    bytes[40] = bytes[40]! ^ 1;
    const report = await reportOf(world.instants.begin, world.clock.instant, {
      [drill!]: bytes,
      [audit]: Buffer.from("no JSON"),
      "recoveries/0a1b2c3d-0000000001.json": encodeJsonObject("recovery", { id: "0a1b2c3d" }),
    });
    expect(report.unreadable.map(({ object }) => object).toSorted(byText)).toEqual(
      [audit, drill, "recoveries/0a1b2c3d-0000000001.json"].toSorted(byText),
    );
    expect(report.drills).toEqual([]);
    expect(evidencePage(report, "key 00")).toContain("3 records of the period cannot be read");
  });
});

describe("the page", () => {
  test("is one file without scripts, and asks nobody for anything", async () => {
    const page = evidencePage(await whole(), "key 00");
    expect(page).not.toMatch(
      /<script|javascript:|\son[a-z]+=|<(?:img|link|iframe|object|embed|form)|url\(|@import/i,
    );
    expect(page).not.toMatch(/https?:\/\//);
    expect(page).toMatch(/default-src 'none'/);
    expect(page).toMatch(/@media print/);
  });

  test("says in short what matters", async () => {
    const report = await whole();
    const page = evidencePage(report, "key 00");
    expect(page).toContain(`of ${report.tables.length} tables can be restored exactly`);
    expect(page).toMatch(/1 of 1 drill restored what the repository holds/);
    expect(page).toMatch(/1 of 1 check of the stored objects found them sound/);
    const early = { ...report, from: report.from - hourMs };
    const known = report.tables.length;
    expect(evidencePage(early, "key 00")).toContain(
      `${known} tables are NOT KNOWN FROM THE BEGINNING of the period.`,
    );
    const quiet = { ...report, drills: [], verifications: [] };
    expect(evidencePage(quiet, "key 00")).toMatch(/NO DRILL was made[\s\S]*NOT CHECKED/);
    const bad = { ...report, drills: [{ ...report.drills[0]!, ok: false }] };
    expect(evidencePage(bad, "key 00")).toMatch(/0 of 1 drill/);
  });

  test("takes no markup from a name or a note", async () => {
    const report = await whole();
    const [table] = report.tables;
    const evil = `<script>alert("1")</script>'&`;
    const tables = [{ ...table!, name: evil }];
    const page = evidencePage({ ...report, tables }, evil);
    expect(page).not.toContain("<script");
    expect(page.split("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;")).toHaveLength(
      3,
    );
  });

  test("has the last rows of a long list, and says so", async () => {
    const report = await whole();
    const audit = Array.from({ length: 501 }, (_, i) => ({
      object: "x",
      at: 1e12 + i,
      what: `w${i}.`,
    }));
    const page = evidencePage({ ...report, audit }, "key 00");
    expect(page).toContain("The last 500 of 501; evidence.json has all.");
    expect([page.includes("w0."), page.includes("w500.")]).toEqual([false, true]);
  });
});
