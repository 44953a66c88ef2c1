/** The pages of operations, in a real browser, beside a daemon that was killed once, captures, and has raised an alarm. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Drill, putDrill } from "../../src/repository/records/drills.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { cliJson } from "../endtoend/cli.js";
import { r } from "../server/driver.js";
import { openBrowser, openWorld, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 60_000 });

/** Alarms wait for half a minute until they are raised. */
const raisedMs = 60_000;
/** Documents that are deleted at once, so that an alarm is raised. */
const lost = 300;
const phone = { width: 390, height: 844 };

let world: World;
let browser: Browser;
let operator: Page;
let viewer: Page;
const complaints: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  await world.restart();
  await world.stage.untilExactNow(world.repo, "shop.orders", "shop.customers");
  // What was deleted before is an alarm of the process that was killed.
  const orders = r.db("shop").table("orders");
  await world.stage.query(orders.limit(lost).delete({ durability: "soft" }));
  operator = await pageOf("operator");
  viewer = await pageOf("viewer");
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function pageOf(role: "operator" | "viewer" | "admin"): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${world.base}/operations`);
  await signIn(page, world.tokens[role]);
  return page;
}

/** Goes to a section by its link, and waits for its heading. */
async function section(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Operations" }).getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
}

/** Serious faults of a page that axe finds. */
async function faultsOf(page: Page): Promise<string[]> {
  const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await page.evaluate(await readFile(axe, "utf8"));
  const { violations } = (await page.evaluate("axe.run()")) as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  };
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
}

const rowWith = (page: Page, text: string) => page.locator("tbody tr", { hasText: text });
const dialogOf = (page: Page) => page.getByRole("dialog");

interface StatusPrinted {
  tables: {
    name: string;
    intervals: { class: string; from: string; acknowledged?: { note: string } }[];
  }[];
}

test("the gap that the kill left is one row for all its tables, and is acknowledged for all of them", async () => {
  await section(operator, "Gaps");
  const button = operator.getByRole("button", { name: "Acknowledge…" }).first();
  await button.click();
  const dialog = dialogOf(operator);
  await dialog.getByLabel("Note").fill("the process was killed on purpose");
  await operator.keyboard.press("Enter");
  await dialog.waitFor({ state: "detached" });
  await rowWith(operator, "the process was killed on purpose").first().waitFor();
  const { tables } = await cliJson<StatusPrinted>(["status", "--repo", world.repo]);
  for (const name of ["shop.orders", "shop.customers"]) {
    const { intervals } = tables.find((one) => one.name === name)!;
    const gaps = intervals.filter((one) => one.class === "gap");
    expect([name, gaps.map((gap) => gap.acknowledged?.note)]).toEqual([
      name,
      ["the process was killed on purpose"],
    ]);
  }
  await operator.getByLabel("Show").selectOption("open");
  await operator.getByText("All are acknowledged.").or(rowWith(operator, "(catalog)")).waitFor();
  expect(await rowWith(operator, "shop.orders").count()).toBe(0);
});

interface PinsPrinted {
  pins: { name: string; at: string; until: string | null; note: string | null; holds: boolean }[];
}
const pinCalled = async (name: string) => {
  const { pins } = await cliJson<PinsPrinted>(["pin", "list", "--repo", world.repo]);
  return pins.find((pin) => pin.name === name);
};

test("an instant is pinned for a while by keys alone, and the pin is removed after a question", async () => {
  await section(operator, "Pins and marks");
  const open = operator.getByRole("button", { name: "Pin an instant…" });
  await open.focus();
  await operator.keyboard.press("Enter");
  const dialog = dialogOf(operator);
  await operator.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  expect(await open.evaluate("document.activeElement.textContent")).toBe("Pin an instant…");

  await operator.keyboard.press("Enter");
  await dialog.getByLabel("Name").fill("before-deletion");
  await dialog.getByLabel("Instant", { exact: true }).fill(world.beforeDeletion);
  await dialog.getByLabel("Keep it").selectOption("for 30 days");
  await dialog.getByLabel("Note").fill("as it was");
  await operator.keyboard.press("Enter");
  const row = rowWith(operator, "before-deletion");
  await row.getByText("holds", { exact: true }).waitFor();
  const pin = (await pinCalled("before-deletion"))!;
  expect(Date.parse(pin.at)).toBe(Date.parse(world.beforeDeletion));
  expect(pin).toMatchObject({ note: "as it was", holds: true });
  const days = (Date.parse(pin.until!) - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(29.9);
  expect(days).toBeLessThan(30);

  await operator.getByRole("button", { name: "Remove… the pin before-deletion" }).click();
  await dialog.getByRole("button", { name: "Remove it" }).click();
  await row.waitFor({ state: "detached" });
  expect(await pinCalled("before-deletion")).toBeUndefined();
});

test("what cannot be pinned is said in the dialog, which keeps what was typed", async () => {
  await operator.getByRole("button", { name: "Pin an instant…" }).click();
  const dialog = dialogOf(operator);
  await dialog.getByLabel("Name").fill("Not A Name");
  await operator.keyboard.press("Enter");
  await dialog.getByText("small letters, digits and hyphens").first().waitFor();
  await dialog.getByRole("alert").waitFor();
  expect(await dialog.getByLabel("Name").inputValue()).toBe("Not A Name");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  // The answer 400 is printed by the browser.
  expect(complaints.splice(0).filter((text) => !text.includes("400"))).toEqual([]);
});

test("a mark is made, and says how to go to just before it", async () => {
  await operator.getByRole("button", { name: "Mark an instant…" }).click();
  await dialogOf(operator).getByLabel("Text").fill("deploy 42");
  await operator.keyboard.press("Enter");
  await rowWith(operator, "deploy 42")
    .getByText(/^before:mark-[0-9a-f]{8}$/)
    .waitFor();
});

/** A drill as one is stored. */
function drilled(unique: string, agoMs: number, of: Partial<Drill>): Drill {
  const ended = Date.now() - agoMs;
  return {
    unique,
    begun: ended - 2000,
    ended,
    instant: ended - 5000,
    class: "exact",
    ok: true,
    server: null,
    documents: 40,
    bytes: 4000,
    seconds: 1.5,
    documentsPerSecond: 27,
    bytesPerSecond: 2700,
    tables: [],
    ...of,
  };
}

test("drills are listed with what they found, drawn, and requested", async () => {
  const store = new DirectoryStore(world.repo);
  const none = { count: 0, keys: [] };
  const table = { id: "0a000000-0000-4000-8000-000000000001", name: "shop.orders", rows: 40 };
  const measured = { bytes: 4000, digest: "0".repeat(16), seconds: 1 };
  const missing = { count: 2, keys: ['"a"', '"b"'] };
  await putDrill(store, drilled("000000000001", 3_000_000, {}));
  await putDrill(
    store,
    drilled("000000000002", 2_000_000, {
      ok: false,
      tables: [
        {
          ...table,
          ...measured,
          ok: false,
          differences: { missing, altered: none, extra: none, settings: [] },
        },
      ],
    }),
  );
  const failure = { code: "target", message: "the server was full" };
  await putDrill(store, drilled("000000000003", 1_000_000, { ok: false, failure }));
  await section(operator, "Drills and checks");
  const trend = operator.getByRole("img", { name: /^Seconds of the last/ });
  expect(await trend.getAttribute("aria-label")).toBe(
    "Seconds of the last 3 drills: 1 passed, 1 differs, 1 could not run; the longest took 1.5 s",
  );
  await rowWith(operator, "shop.orders: 2 documents missing").getByText("differs").waitFor();
  await rowWith(operator, "target: the server was full").getByText("could not run").waitFor();
  expect(await operator.content()).not.toContain('"a"');

  await section(viewer, "Drills and checks");
  await rowWith(viewer, "target: hidden from this role").waitFor();

  await operator.getByRole("button", { name: "Start a drill…" }).click();
  await dialogOf(operator).getByLabel("Tables").fill("shop.customers");
  await operator.keyboard.press("Enter");
  await operator.waitForURL(/\/recoveries\/[0-9a-f]{8}$/);
  const id = operator.url().slice(-8);
  const headers = { authorization: `Bearer ${world.tokens.operator}` };
  const asked = await fetch(`${world.base}/v1/recoveries/${id}`, { headers });
  expect(await asked.json()).toMatchObject({
    command: "drill",
    args: ["--latest", "--table=shop.customers"],
    by: { name: "the-operator" },
  });
  await operator.goto(`${world.base}/operations`);
});

test(
  "an alarm is silenced for a while with a reason, and told of again, also on a phone",
  async () => {
    await operator.setViewportSize(phone);
    await section(operator, "Alarms");
    const alarm = operator.getByRole("article").filter({ hasText: "mass-change" });
    await alarm.first().waitFor({ timeout: raisedMs });
    await alarm.getByText("critical").waitFor();
    await alarm.getByRole("button", { name: /^Silence… the alarm mass-change-/ }).click();
    const dialog = dialogOf(operator);
    await dialog.getByLabel("How long").selectOption("for 4 hours");
    await dialog.getByLabel("Reason").fill("we know");
    expect(await operator.evaluate("document.documentElement.scrollWidth")).toBe(phone.width);
    await operator.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    await alarm.getByText("silenced", { exact: true }).waitFor();
    await rowWith(operator, "we know").getByText("in 3 h 59 min").waitFor();
    expect(await operator.evaluate("document.documentElement.scrollWidth")).toBe(phone.width);
    expect(await faultsOf(operator)).toEqual([]);
    await operator.getByRole("button", { name: /^End it: the silence of mass-change-/ }).click();
    await operator.getByText("Nothing is silenced.").waitFor();
    await operator.setViewportSize({ width: 1280, height: 900 });
  },
  raisedMs + 60_000,
);

test("a viewer sees no reasons, no button that changes anything, and no audit", async () => {
  await section(viewer, "Alarms");
  await viewer.getByRole("article").getByText("hidden from this role").first().waitFor();
  await section(viewer, "Gaps");
  await rowWith(viewer, "the process was killed on purpose")
    .getByText("hidden from this role")
    .waitFor();
  for (const name of ["Processes", "Stores", "Gaps", "Pins and marks", "Drills", "Alarms"]) {
    await section(viewer, name);
    await viewer.getByText("reading…").first().waitFor({ state: "detached" });
    expect([name, await viewer.locator("main button").allInnerTexts()]).toEqual([
      name,
      name === "Stores" ? ["copy"] : [],
    ]);
  }
  const links = viewer.getByRole("navigation", { name: "Operations" }).getByRole("link");
  expect(await links.allInnerTexts()).not.toContain("Audit");
  await viewer.goto(`${world.base}/operations/audit`);
  await viewer.getByText("The audit is for the role admin.").waitFor();
});

test("the audit has what was done here, once for each change", async () => {
  const admin = await pageOf("admin");
  await section(admin, "Audit");
  expect(await admin.locator("tbody tr").count()).toBe(0);
  await admin.getByRole("button", { name: "Read the audit" }).click();
  await admin.getByText(/entries, the oldest first/).waitFor();
  const rows = await admin.locator("tbody tr").allInnerTexts();
  for (const [what, over] of [
    ["gap acknowledge", "the process was killed on purpose"],
    ["pin add", "before-deletion"],
    ["pin remove", "before-deletion"],
    ["mark add", "deploy 42"],
    ["alarm silence", "mass-change-"],
    ["alarm unsilence", "mass-change-"],
  ] as const) {
    const of = rows.filter((row) => row.includes(what) && row.includes(over));
    expect([what, of.length]).toEqual([what, 1]);
    expect(of[0]).toContain("the-operator");
    expect(of[0]).toContain("done");
  }
  const before = rows.length;
  await admin.getByRole("button", { name: "Read what came since" }).click();
  await expect.poll(() => admin.locator("tbody tr").count()).toBeGreaterThan(before);
});

test("no section breaks a rule of accessibility or of the page's policy", async () => {
  await operator.goto(`${world.base}/operations`);
  for (const name of ["Summary", "Processes", "Stores", "Gaps", "Pins and marks", "Drills"]) {
    const links = operator.getByRole("navigation", { name: "Operations" });
    await links.getByRole("link", { name }).click();
    await operator.getByText("reading…").first().waitFor({ state: "detached" });
    expect([name, await faultsOf(operator)]).toEqual([name, []]);
  }
  expect(complaints).toEqual([]);
});
