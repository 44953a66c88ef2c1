/** The overview while nothing can be restored yet, and while what is known is not good. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { printing, serveGenerated } from "./generated-server.js";
import { generatedPoints, generatedStatus } from "./generated-status.js";
import { openBrowser, signIn } from "./world.js";

const now = Date.now();
const whole = generatedStatus({ tables: 3, days: 2, now });
const [first, second, third] = whole.tables as [
  (typeof whole.tables)[number],
  (typeof whole.tables)[number],
  (typeof whole.tables)[number],
];
const empty = { firstRestorable: null, lastRestorable: null, intervals: [], lastProven: null };
const beginning = {
  ...whole,
  restorableUntil: null,
  behindNowMs: null,
  lastProven: null,
  tables: [
    { ...first, state: "live" },
    { ...second, ...empty, state: "copying", documents: null },
    { ...third, ...empty, state: "copying", documents: null },
  ],
};
let status: () => object = () => beginning;
let alarms: object[] = [];

let served: Awaited<ReturnType<typeof serveGenerated>>;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  served = await serveGenerated(
    printing({
      status: () => status(),
      points: () => generatedPoints(whole, now, 2),
      alarm: () => ({ open: alarms, silences: [], undelivered: {} }),
    }),
  );
  browser = await openBrowser();
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${served.port}/`);
});

afterAll(async () => {
  await browser?.close();
  await served?.close();
});

const figure = (name: string) =>
  page.locator(".figure").filter({ has: page.locator(".name").getByText(name, { exact: true }) });
const toneOf = async (name: string) =>
  (await figure(name).getAttribute("class"))!.split(" ").at(-1);

test("the first copy is told table by table, and that nothing can be restored yet", async () => {
  const lane = served.facts.observer(0);
  lane.begins!();
  const [db, name] = second.name.split(".") as [string, string];
  const table = { id: second.id, db, name, primaryKey: "id" };
  lane.state!(table, "copying");
  lane.scanned!(table, 1500, 300_000, 2000);
  await signIn(page, served.token);
  const card = page.locator(".overview-scans");
  await card.getByRole("heading", { name: "Not restorable yet" }).waitFor();
  await card.getByText("1 of 3 tables can be restored").waitFor();
  const rows = card.getByRole("listitem");
  expect(await rows.allInnerTexts()).toEqual([
    `${second.name}\n1,500 of about 2,000 documents, 293 KiB\n75 %`,
    `${third.name}\ncopying, by another process`,
  ]);
  lane.scanned!(table, 2500, 500_000, 2000);
  // More than the estimate is no share.
  await expect.poll(() => rows.first().innerText(), { timeout: 20_000 }).not.toContain("%");
  expect(await figure("restorable until").innerText()).toMatch(
    /not restorable yet\nthe first copy is not complete$/,
  );
  expect(await toneOf("restorable until")).toBe("warn");
  expect([await toneOf("last proven"), await toneOf("lag")]).toEqual(["unknown", "unknown"]);
  // The repository is read: nothing says that it cannot be.
  await page.getByRole("status").getByText("Not restorable yet").waitFor();
});

test.each([
  ["silent", "the capture is silent"],
  ["ended", "nothing is captured now"],
])("a capture that is %s is bad, however new the last instant is", async (state, words) => {
  const capture = { ...whole.capture, state };
  status = () => ({ ...whole, restorableUntil: new Date().toISOString(), capture });
  const text = () => figure("restorable until").innerText();
  await expect.poll(text, { timeout: 30_000 }).toContain(words);
  expect(await toneOf("restorable until")).toBe("bad");
});

test("what is old is behind, and a drill that was missed is overdue", async () => {
  const restorableUntil = new Date(Date.now() - 600_000).toISOString();
  status = () => ({ ...whole, restorableUntil, behindNowMs: 600_000 });
  const since = new Date(Date.now() - 7_200_000).toISOString();
  const alarm = { severity: "warning", since, raised: since, silenced: false, hint: null };
  const overdue = { ...alarm, id: "drill-overdue", kind: "drill-overdue", docs: "" };
  alarms = [{ ...overdue, text: "two drills were missed" }];
  const text = (name: string) => figure(name).innerText();
  await expect
    .poll(() => text("restorable until"), { timeout: 30_000 })
    .toMatch(/10 min.*\nbehind/);
  await expect
    .poll(() => text("last proven"), { timeout: 30_000 })
    .toContain("overdue: a drill was due 2 h");
  expect([await toneOf("restorable until"), await toneOf("last proven")]).toEqual(["bad", "warn"]);
  await page.getByText("two drills were missed").waitFor();
});

test("a repository that cannot be read makes nothing good", async () => {
  status = () => {
    throw new ThinkbackError("repository", "the store is away");
  };
  const text = () => figure("restorable until").innerText();
  await expect.poll(text, { timeout: 30_000 }).toContain("unknown: the repository cannot be read");
  expect(await toneOf("restorable until")).toBe("unknown");
});
