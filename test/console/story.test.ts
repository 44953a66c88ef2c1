/** "Deleted by mistake": from the overview to the documents that are back, by keyboard alone, in at most eight steps. */
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cli, cliJson } from "../endtoend/cli.js";
import { r } from "../server/driver.js";
import { deleted, openBrowser, openWorld, orders, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 180_000 });

let world: World;
let browser: Browser;
let page: Page;
/** What somebody has done: a link or a button that was activated, a key that chooses, a text that was typed. */
const steps: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  // One person may recover by herself here.
  await cli(["recoveries", "approval", "none", "--repo", world.repo]);
  const context = await browser.newContext();
  page = await context.newPage();
  await page.addInitScript("addEventListener('pointerdown', () => { window.clicked = true; })");
  await page.goto(`${world.base}/`);
  await signIn(page, world.tokens.operator);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** Goes by Tab until this has the focus. */
async function tabTo(wanted: Locator): Promise<void> {
  await wanted.first().waitFor({ timeout: 60_000 });
  const focused = wanted.and(page.locator(":focus"));
  for (let tabs = 0; (await focused.count()) === 0; tabs += 1) {
    if (tabs > 150) throw new Error(`no Tab leads to ${wanted.toString()}`);
    await page.keyboard.press("Tab");
  }
}

async function take(wanted: Locator, what: string): Promise<void> {
  await tabTo(wanted);
  await page.keyboard.press("Enter");
  steps.push(what);
}

const link = (name: string) => page.getByRole("link", { name });
const button = (name: string) => page.getByRole("button", { name });

interface Plan {
  documents: number;
  broughtBack: number;
  changed: number;
  deleted: number;
}

test("412 deleted documents are back after at most eight steps, with the counts of the command line", async () => {
  await take(link("What happened?"), "What happened?");
  await page.getByRole("heading", { name: "What happened?" }).waitFor();
  await page.keyboard.press("1");
  steps.push("1: lost or changed by mistake");
  const burst = page.locator(".happened-found", { hasText: `${deleted} documents deleted` });
  await burst.waitFor({ timeout: 60_000 });
  await take(burst.getByRole("link", { name: "Compare with just before" }), "compare");
  await page
    .getByText(`Then and not live: ${deleted} (deleted since)`)
    .waitFor({ timeout: 60_000 });
  await take(link("Take back just these changes"), "take back");
  await page.waitForURL("**/recover");
  await take(button("See the plan"), "see the plan");
  await page.waitForURL("**/recoveries/*");
  const typed = page.getByLabel("To confirm, type");
  await typed.waitFor({ timeout: 60_000 });
  const id = page.url().split("/").at(-1)!;
  const shown = await cliJson<{ plan: Plan }>(["recoveries", "show", id, "--repo", world.repo]);
  expect(shown.plan).toMatchObject({ documents: deleted, broughtBack: deleted, changed: 0 });
  await tabTo(typed);
  await page.keyboard.type("shop.orders");
  steps.push("the name typed");
  await page.keyboard.press("Enter");
  steps.push("Enter");
  await page.locator("header .badge", { hasText: "done" }).waitFor({ timeout: 90_000 });

  expect(steps.length).toBeLessThanOrEqual(8);
  expect(await page.evaluate("window.clicked === true")).toBe(false);
  expect(await world.stage.query<number>(r.db("shop").table("orders").count())).toBe(orders);
  const { result } = await cliJson<{ result: { written: number } }>([
    "recoveries",
    "show",
    id,
    "--repo",
    world.repo,
  ]);
  expect(JSON.stringify(result)).toContain(String(deleted));
});
