/** The overview, its timeline and the list of tables, in a real browser beside a real capture. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { until } from "../endtoend/stage.js";
import { openBrowser, openWorld, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 60_000 });

let world: World;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    timezoneId: "Europe/Zurich",
  });
  page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${world.base}/`);
  await signIn(page, world.tokens.operator);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

const figure = (name: string) =>
  page.locator(".figure").filter({ has: page.locator(".name").getByText(name, { exact: true }) });
const focused = () => page.evaluate<string>("document.activeElement.getAttribute('aria-label')");
const focusedText = () => page.evaluate<string>("document.activeElement.textContent");
const readout = () => page.locator(".timeline-readout").innerText();
const timeline = () => page.getByRole("application", { name: "Coverage over time" });

/** What axe finds that is serious or worse, on the page as it is. */
async function seriousFaults(of: Page): Promise<string[]> {
  const path = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  // Not as an element of the page, which its policy would refuse.
  await of.evaluate(readFileSync(path, "utf8"));
  const found = await of.evaluate<{ id: string; impact: string; html: string }[]>(
    `axe.run().then(({ violations }) => violations.flatMap(({ id, impact, nodes }) =>
      nodes.map(({ html }) => ({ id, impact, html }))))`,
  );
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, html }) => `${id}: ${html.slice(0, 200)}`);
}

test("the figures say what can be restored and what is proven, and nothing is good by default", async () => {
  await expect
    .poll(() => figure("restorable until").innerText(), { timeout: 30_000 })
    .toMatch(/ ago\ncurrent\n\d{4}-.*\+00:00 .* CET/);
  expect(await figure("last proven").innerText()).toContain("never");
  expect(await figure("last proven").getAttribute("class")).toContain("unknown");
  expect(await figure("log").innerText()).toMatch(/[\d,]+ changes/);
  await page.getByRole("heading", { name: "Open gaps" }).waitFor();
  expect(await page.getByText("No gap is open.").count()).toBe(1);
});

test("the timeline is worked by keys, and says where one is", async () => {
  await timeline().focus();
  await page.keyboard.press("End");
  expect(await readout()).toMatch(/^worst of all\s.*\+00:00\s.* CET/);
  await page.keyboard.press("Home");
  const first = await readout();
  for (const _ of [1, 2, 3]) await page.keyboard.press("+");
  await page.keyboard.press("ArrowRight");
  const later = await readout();
  const instantIn = (text: string) =>
    Date.parse(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00:00/.exec(text)![0]);
  expect(instantIn(later)).toBeGreaterThan(instantIn(first));
  const near = instantIn(later) - instantIn(first);
  await page.keyboard.press("0");
  await page.keyboard.press("ArrowRight");
  // Farther away a step is longer.
  expect(instantIn(await readout()) - instantIn(later)).toBeGreaterThan(2 * near);
  for (let i = 0; i < 12 && !(await readout()).startsWith("shop.orders"); i += 1) {
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Home");
  await page.keyboard.press("Shift+ArrowRight");
  expect(await readout()).toMatch(/^shop\.orders\s[^]*exact/);
});

test("an instant that is chosen leads to comparing, to the table and to recovering", async () => {
  await timeline().focus();
  const at = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/.exec(await readout())![0];
  await page.keyboard.press("Enter");
  const compare = page.getByRole("button", { name: "Compare with live" });
  await compare.waitFor();
  await expect.poll(focusedText).toBe("Compare with live");
  await page.keyboard.press("Escape");
  expect(await compare.count()).toBe(0);
  expect(await focused()).toBe("Coverage over time");
  await page.keyboard.press("Enter");
  await expect.poll(focusedText).toBe("Compare with live");
  await page.keyboard.press("Enter");
  await until("it has gone there", () => page.url().includes("/compare"));
  const { pathname, searchParams } = new URL(page.url());
  expect(pathname).toBe("/compare");
  expect(searchParams.get("table")).toBe("shop.orders");
  expect(Date.parse(searchParams.get("at")!)).toBe(Date.parse(`${at}+00:00`));
  await page.goBack();
  await page.locator(".timeline-rows canvas").click({ position: { x: 700, y: 70 } });
  await page.getByRole("button", { name: "Recover to here" }).click();
  expect(new URL(page.url()).pathname).toBe("/recover");
  const { draft } = await page.evaluate<{ draft: Record<string, unknown> }>("history.state");
  expect(draft).toMatchObject({ command: "restore" });
  expect(draft["at"]).toMatch(/\+00:00$/);
  await page.goBack();
});

test("the wheel zooms once one is in the timeline, and the page scrolls before that", async () => {
  const canvas = page.locator(".timeline-rows canvas");
  await canvas.waitFor();
  const picture = () =>
    page.evaluate<string>(`document.querySelector(".timeline-rows canvas").toDataURL()`);
  const box = (await canvas.boundingBox())!;
  await page.mouse.move(box.x + 700, box.y + 100);
  await page.waitForTimeout(300);
  await page.mouse.wheel(0, 200);
  await expect.poll(() => page.evaluate<number>("scrollY")).toBeGreaterThan(0);
  await page.evaluate("scrollTo(0, 0)");
  await timeline().focus();
  const before = await picture();
  await page.mouse.wheel(0, -400);
  await expect.poll(picture).not.toBe(before);
  expect(await page.evaluate("scrollY")).toBe(0);
  await page.keyboard.press("0");
});

test("the same is there as a list", async () => {
  await page.getByRole("button", { name: "As a list" }).click();
  const list = page.getByRole("region", { name: "The timeline as a list" });
  await list.getByLabel("Intervals of").selectOption({ label: "shop.orders" });
  const row = list.getByRole("table", { name: "Coverage of shop.orders" }).locator("tbody tr");
  expect(await row.first().innerText()).toMatch(/exact\s.*\+00:00/);
});

test("axe finds nothing serious, in either theme and on a narrow screen", async () => {
  expect(await seriousFaults(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await seriousFaults(page)).toEqual([]);
  const wide = await page.evaluate("document.documentElement.scrollWidth");
  expect(wide).toBe(390);
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
});

test("tables are found by typing and put in order", async () => {
  await page.getByRole("link", { name: "All tables" }).click();
  const names = () => page.locator("tbody tr td:first-child").allInnerTexts();
  await expect.poll(async () => (await names()).join(), { timeout: 30_000 }).toContain("shop.");
  await page.getByLabel("Find a table").fill("SHOP");
  expect(await names()).toEqual(["shop.customers", "shop.orders"]);
  await page.getByRole("button", { name: "documents" }).click();
  expect(await names()).toEqual(["shop.orders", "shop.customers"]);
  expect(await seriousFaults(page)).toEqual([]);
  await page.getByLabel("Find a table").fill("none");
  await page.getByText("No table is like that.").waitFor();
  await page.getByLabel("Find a table").fill("orders");
  await page.getByRole("link", { name: "shop.orders" }).click();
  expect(new URL(page.url()).pathname).toBe("/tables/shop.orders");
  await page.goBack();
  await page.goBack();
});

test("the timeline grows with what is proven, though coverage is not asked for anew", async () => {
  await timeline().waitFor();
  await page.route("**/v1/timeline?*", (route) => route.abort());
  await page.getByRole("button", { name: "As a list" }).click();
  await page.getByLabel("Intervals of").selectOption({ label: "shop.orders" });
  const newest = page.getByRole("table", { name: "Coverage of shop.orders" }).locator("tbody tr");
  const before = await newest.first().innerText();
  // On a busy machine the server looks seldom.
  await expect.poll(() => newest.first().innerText(), { timeout: 50_000 }).not.toBe(before);
  await expect.poll(() => figure("changes").innerText()).toContain("/s");
  await page.unroute("**/v1/timeline?*");
});

test("while the server is away nothing is called current", async () => {
  const { process } = world.daemon;
  process.kill("SIGKILL");
  await expect
    .poll(() => figure("restorable until").innerText(), { timeout: 30_000 })
    .toContain("unknown: the server does not answer");
  expect(await figure("restorable until").getAttribute("class")).toContain("unknown");
  expect(await figure("lag").innerText()).toContain("unknown");
  const ofPage = complaints.filter((text) => !/ERR_|Failed to load/.test(text));
  expect(ofPage).toEqual([]);
});
