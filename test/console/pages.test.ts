/** What holds for every page: it can be used by everybody, in both themes, on a narrow screen, and asks nobody else. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { openBrowser, openWorld, signIn, type World } from "./world.js";

vi.setConfig({ testTimeout: 90_000 });

const places = [
  "/",
  "/happened",
  "/compare",
  "/tables",
  "/tables/shop.orders",
  "/tables/shop.orders/document",
  "/recover",
  "/recoveries",
  "/operations",
  ...["processes", "stores", "gaps", "pins", "drills", "alarms", "audit"].map(
    (section) => `/operations/${section}`,
  ),
];

let world: World;
let browser: Browser;
let axe: string;
const complaints: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

interface Finding {
  id: string;
  impact: string;
  nodes: { html: string; failureSummary: string }[];
}

async function opened(context: BrowserContext, place: string): Promise<Page> {
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${place}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${place}: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(world.base)) complaints.push(`${place} asked ${request.url()}`);
  });
  await page.goto(world.base + place);
  return page;
}

/** Resolves when nothing on the page is being waited for. */
async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator(".waiting").first().waitFor({ state: "detached" });
}

describe.each([
  ["light", 1280],
  ["dark", 390],
] as const)("in the %s theme, %i pixels wide", (colorScheme, width) => {
  let context: BrowserContext;

  beforeAll(async () => {
    // The script of the check itself would break the policy of the page; the other tests hold to it.
    context = await browser.newContext({
      colorScheme,
      viewport: { width, height: 844 },
      bypassCSP: true,
    });
    const first = await opened(context, "/");
    await signIn(first, world.tokens.admin);
  });

  afterAll(() => context?.close());

  test.each(places)("%s has no serious finding, and fits", async (place) => {
    const page = await opened(context, place);
    await settled(page);
    await page.evaluate(axe);
    const findings = (await page.evaluate(
      'axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)',
    )) as Finding[];
    const serious = findings
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
    expect(serious).toEqual([]);
    const overflow = await page.evaluate(
      "document.documentElement.scrollWidth - document.documentElement.clientWidth",
    );
    expect(overflow).toBe(0);
    await page.close();
  });
});

test("nothing was asked of another origin, and no page has printed an error", () => {
  expect(complaints).toEqual([]);
});
