/** `npm run console:pictures`: takes the pictures of docs/console.md, of a server with the data of the tests. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { cli } from "../endtoend/cli.js";
import { openBrowser, openWorld, signIn } from "./world.js";

const directory = resolve(import.meta.dirname, "../../docs/console");

const world = await openWorld();
const { base, repo, tokens } = world;
await cli(["mark", "add", "deploy 42", "--repo", repo]);
await cli(["pin", "add", "release-12", "--repo", repo]);
await cli(["drill", "--latest", "--repo", repo, "--target", world.stage.address]);
const browser = await openBrowser();

async function settled(page: Page): Promise<void> {
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.locator(".waiting").first().waitFor({ state: "detached", timeout: 60_000 });
  await page.waitForTimeout(400);
}

const taken: string[] = [];

async function take(
  name: string,
  place: string,
  {
    theme = "light",
    width = 1280,
    height = 900,
    state = {},
    act = undefined as ((page: Page) => Promise<void>) | undefined,
  } = {},
): Promise<void> {
  const colorScheme = theme as "light" | "dark";
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  await page.goto(`${base}/`);
  await signIn(page, tokens.admin);
  await page.evaluate(
    `history.pushState(${JSON.stringify(state)}, "", ${JSON.stringify(place)}); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  await settled(page);
  try {
    await act?.(page);
  } catch (error) {
    console.error(`${name}: ${String(error)}`);
  }
  await page.screenshot({ path: join(directory, `${name}.png`) });
  taken.push(name);
  await context.close();
}

await mkdir(directory, { recursive: true });
const wanted = process.argv.slice(2);
const pictures: [string, string, Parameters<typeof take>[2]?][] = [
  ["overview", "/"],
  ["overview-dark", "/", { theme: "dark" }],
  ["overview-narrow", "/", { width: 390, height: 844 }],
  ["happened", "/happened"],
  ["compare", `/compare?table=shop.orders&at=${encodeURIComponent(world.beforeDeploy)}`],
  ["tables", "/tables"],
  ["table", "/tables/shop.orders"],
  ["document", "/tables/shop.orders/document", { state: { key: "order-01999" } }],
  [
    "recover",
    "/recover",
    { state: { draft: { command: "undo", tables: ["shop.orders"], from: world.beforeDeletion } } },
  ],
  ["recoveries", "/recoveries"],
  ["operations", "/operations"],
  ["pins", "/operations/pins"],
  ["drills", "/operations/drills", { theme: "dark" }],
  ["alarms-narrow", "/operations/alarms", { width: 390, height: 844 }],
  ["audit", "/operations/audit"],
];
for (const [name, place, options] of pictures) {
  if (wanted.length === 0 || wanted.includes(name)) await take(name, place, options);
}
console.log(`taken: ${taken.join(", ")}`);
await browser.close();
await world.close();
