/** The console in a real browser, served by the daemon beside its capture. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { openBrowser, openWorld, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 60_000 });

let world: World;
let browser: Browser;
let page: Page;
/** What a page has printed as an error, or asked of another origin. */
const complaints: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  page = await browser.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(world.base)) complaints.push(`asked ${request.url()}`);
  });
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

test("a token opens it, a wrong one does not", async () => {
  await page.goto(`${world.base}/`);
  await page.getByLabel("Token").fill("thinkback_00000000_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("unknown, expired or revoked").waitFor();
  await signIn(page, world.tokens.operator);
  await page.getByText("restorable until", { exact: true }).waitFor();
});

test("nothing is asked of another origin, and no policy is broken", () => {
  // The wrong token was refused with 401, which the browser prints.
  expect(complaints.filter((text) => !text.includes("401"))).toEqual([]);
});
