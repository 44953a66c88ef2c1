/** Several tabs of one browser: one stream does for all, and they outlast the daemon, and the token. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cli, cliJson } from "../endtoend/cli.js";
import { until } from "../endtoend/stage.js";
import { openBrowser, openWorld, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 90_000 });

let world: World;
let browser: Browser;
let context: BrowserContext;
let tabs: Page[];
/** Streams that were begun, by any tab. */
let streams = 0;

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  context = await browser.newContext();
  context.on("request", (request) => {
    if (request.url().endsWith("/v1/events")) streams += 1;
  });
  const first = await context.newPage();
  await first.goto(`${world.base}/`);
  await signIn(first, world.tokens.operator);
  tabs = [first];
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** Until when a tab says that can be restored, by its own clock-independent attribute. */
const toldBy = async (tab: Page): Promise<number> => {
  const at = await tab.locator(".standing time").getAttribute("datetime");
  return Date.parse(at ?? "");
};

async function untilTold(all: Page[], after: number): Promise<void> {
  for (const tab of all) {
    await until("the tab is current", async () => (await toldBy(tab)) > after);
  }
}

test("eight tabs are signed in by the first, and kept current by one stream", async () => {
  for (const place of ["/tables", "/recoveries", "/operations", "/", "/compare", "/", "/tables"]) {
    const tab = await context.newPage();
    await tab.goto(world.base + place);
    await tab.getByRole("navigation", { name: "Pages" }).waitFor();
    tabs.push(tab);
  }
  const { restorableUntil } = await world.stage.untilExactNow(world.repo, "shop.orders");
  await untilTold(tabs, Date.parse(restorableUntil!) - 1);
  expect(streams).toBe(1);
});

test("when the tab with the stream is closed, another one goes on", async () => {
  const [leader, ...others] = tabs;
  await leader!.close();
  tabs = others;
  const { restorableUntil } = await world.stage.untilExactNow(world.repo, "shop.orders");
  await untilTold(tabs, Date.parse(restorableUntil!) - 1);
  expect(streams).toBe(2);
});

test("a daemon that was killed and started again is shown by all tabs", async () => {
  await world.restart();
  for (const tab of tabs) {
    const standing = tab.locator(".standing").getByText("The server does not answer");
    await standing.waitFor({ state: "hidden" });
    // What pages said of it goes by itself too.
    await expect.poll(() => tab.getByText("The server does not answer").count()).toBe(0);
  }
  const { restorableUntil } = await world.stage.untilExactNow(world.repo, "shop.orders");
  await untilTold(tabs, Date.parse(restorableUntil!) - 1);
});

test("a token that has ended is asked for anew, over the page that was there", async () => {
  const { repo } = world;
  const made = ["token", "create", "short", "--role", "operator", "--repo", repo];
  const { token } = await cliJson<{ token: string }>(made);
  const own = await browser.newContext();
  const page = await own.newPage();
  await page.goto(`${world.base}/compare?table=shop.orders`);
  await signIn(page, token);
  const other = await own.newPage();
  await other.goto(`${world.base}/tables`);
  await other.getByRole("navigation", { name: "Pages" }).waitFor();
  await cli(["token", "revoke", "short", "--repo", repo]);
  await page.getByRole("dialog", { name: "Sign in again" }).waitFor({ timeout: 30_000 });
  const place = page.url();
  // The same person; a tab takes the token of nobody else.
  const again = await cliJson<{ token: string }>(made);
  await page.getByLabel("Token").fill(again.token);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Sign in again" }).waitFor({ state: "hidden" });
  expect(page.url()).toBe(place);
  // The other tab is given the new one.
  await other.getByRole("dialog").waitFor({ state: "hidden" });
  await other.getByRole("navigation", { name: "Pages" }).waitFor();
  expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Live beside then");
});
