/** The pages of a table and of a document, in a real browser, beside a daemon that captures. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cli, cliJson } from "../endtoend/cli.js";
import { nextInstant } from "../endtoend/stage.js";
import { r } from "../server/driver.js";
import { deleted, openBrowser, openWorld, signIn, spoilt, type World } from "./world.js";

vi.setConfig({ testTimeout: 60_000 });

/** The key of the document that is looked at, as the command line takes it: in no URL may it stand. */
const secret = "key-of-a-customer";
const typed = "shop.typed";

let world: World;
let browser: Browser;
let page: Page;
/** When the document had its first value. */
let firstInstant: string;
/** What the page has printed as an error, or asked of another origin. */
const complaints: string[] = [];
/** What it has asked, and where it was. */
const urls: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  await writeVersions();
  page = await newPage();
  await page.goto(`${world.base}/`);
  await signIn(page, world.tokens.operator);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** Values that JSON.parse would change, or that are no plain JSON. */
const values = {
  id: secret,
  big: 12_345_678_901_234_567_000,
  fraction: 0.1,
  made: { $reql_type$: "TIME", epoch_time: 1_795_233_066.25, timezone: "+02:00" },
  file: { $reql_type$: "BINARY", data: Buffer.from("six by").toString("base64") },
  empty: null,
  "e.mail": "a@b.c",
  address: { street: "Hauptgasse", zip: "3011", geo: { deep: [1, { two: 2 }] } },
};

/** A document that is made, changed, deleted and made again. */
async function writeVersions(): Promise<void> {
  const { stage, repo } = world;
  await stage.query(r.db("shop").tableCreate("typed"));
  await stage.untilExactNow(repo, typed);
  const table = r.db("shop").table("typed");
  const write = async (change: unknown) => {
    await stage.query(change as never);
    await stage.untilExactNow(repo, typed);
  };
  await write(table.insert(values));
  firstInstant = new Date(await nextInstant(50)).toISOString();
  const changed = { ...values, address: { ...values.address, zip: "3012" }, fraction: 0.2 };
  const { empty: _, ...without } = changed;
  const file = { ...values.file, data: Buffer.from("six bi").toString("base64") };
  await write(table.get(secret).replace({ ...without, file, added: { a: null } } as never));
  await write(table.get(secret).delete());
  await write(table.insert({ ...values, fraction: 0.3 }));
}

async function newPage(): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const made = await context.newPage();
  made.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  made.on("pageerror", (error) => complaints.push(error.message));
  made.on("request", (request) => {
    urls.push(request.url());
    if (!request.url().startsWith(world.base)) complaints.push(`asked ${request.url()}`);
  });
  made.on("framenavigated", (frame) => urls.push(frame.url()));
  return made;
}

/** Serious faults of a page that axe finds. */
async function faultsOf(of: Page): Promise<string[]> {
  const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await of.evaluate(await readFile(axe, "utf8"));
  const found = await of.evaluate("axe.run()");
  const { violations } = found as {
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  };
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0]!.html}`);
}

interface PointsPrinted {
  points: { kind: string; at: string; before: string }[];
  activity: { spanMs: number; changes: number[] };
}

interface HistoryPrinted {
  versions: { captured: string; kind: string; fields: { path: string[] }[] }[];
}

test("the bars of a table have its bursts, and are looked into by keys", async () => {
  // The chart is loaded by the first page that shows one.
  const plots = () => urls.filter((url) => url.includes("activity-plot"));
  expect(plots()).toEqual([]);
  await page.goto(`${world.base}/tables/shop.orders`);
  await page.locator(".activity-canvas canvas").waitFor();
  expect(plots().length).toBeGreaterThan(0);
  await page.getByText("As a table").click();
  const rows = page.locator(".activity tbody tr.bad");
  const counts = (await rows.locator("td:nth-child(3)").allInnerTexts()).map((text) =>
    Number.parseInt(text.replaceAll(",", ""), 10),
  );
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(spoilt + deleted);
  const printed = await cliJson<PointsPrinted>(["points", "shop.orders", "--repo", world.repo]);
  const all = await page.locator(".activity tbody td:nth-child(3)").allInnerTexts();
  const sum = (of: number[]) => of.reduce((total, one) => total + one, 0);
  expect(sum(all.map((text) => Number.parseInt(text.replaceAll(",", ""), 10)))).toBe(
    sum(printed.activity.changes),
  );

  const chart = page.getByRole("group", { name: /^Changes from/ });
  await chart.focus();
  await page.keyboard.press("b");
  const said = page.locator(".activity-said");
  await expect.poll(() => said.innerText()).toMatch(/: [0-9,]+ changes, part of a burst$/);
  const busiest = Number(/: ([0-9,]+) changes/.exec(await said.innerText())![1]);
  expect(busiest).toBe(Math.max(...counts));
  await page.keyboard.press("Enter");
  await expect.poll(() => new URL(page.url()).searchParams.has("from")).toBe(true);
  await page.getByText(/at most in 1 s|at most in 0/).waitFor();
  const { from, to } = Object.fromEntries(new URL(page.url()).searchParams);
  expect(Date.parse(to!) - Date.parse(from!)).toBeLessThanOrEqual(
    Math.max(5000, printed.activity.spanMs + 1000),
  );
  // The keys go on working: nobody has to find the chart again.
  expect(await chart.evaluate((one) => one === one.ownerDocument.activeElement)).toBe(true);
  await page.getByRole("button", { name: "newest 7 d" }).click();
  await expect.poll(() => new URL(page.url()).search).toBe("");
  await page.locator(".table-busy").waitFor({ state: "detached" });
});

test("drawing over a stretch goes into it", async () => {
  const over = page.locator(".activity-canvas .u-over");
  await over.scrollIntoViewIfNeeded();
  const box = (await over.boundingBox())!;
  const middle = box.y + box.height / 2;
  await page.mouse.move(box.x + 2, middle);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, middle, { steps: 3 });
  await page.mouse.up();
  await expect.poll(() => new URL(page.url()).searchParams.has("to")).toBe(true);
  await page.locator(".table-busy").waitFor({ state: "detached" });
  expect(await page.locator(".activity tbody tr.bad").count()).toBeGreaterThan(0);
  await page.getByRole("button", { name: "newest 7 d" }).click();
  await page.locator(".table-busy").waitFor({ state: "detached" });
});

test("its points lead to the instant before, and what is stored of it is told", async () => {
  const printed = await cliJson<PointsPrinted>(["points", "shop.orders", "--repo", world.repo]);
  const burst = printed.points.find(({ kind }) => kind === "deletes")!;
  const row = page.locator("tr", { hasText: "burst of deletes" });
  const href = await row.getByRole("link").getAttribute("href");
  const { pathname, searchParams } = new URL(href!, world.base);
  expect([pathname, searchParams.get("table"), searchParams.get("at")]).toEqual([
    "/compare",
    "shop.orders",
    burst.before,
  ]);
  await page.getByText("first known").waitFor();
  await page.getByRole("button", { name: "Compute" }).click();
  await page.getByText("no restore was measured yet").waitFor();
  const { documents } = await cliJson<{ documents: number }>([
    "table",
    "--reads",
    "shop.orders",
    "--repo",
    world.repo,
  ]);
  await page.getByText(`${documents.toLocaleString("en-US")} documents of the base`).waitFor();
  expect(await faultsOf(page)).toEqual([]);
});

test("a document has the versions and the fields that the command line prints", async () => {
  await page.goto(`${world.base}/tables/${typed}`);
  await page.getByLabel("Primary key").fill(secret);
  await page.keyboard.press("Enter");
  await page.locator(".document-version").first().waitFor();
  const { stdout } = await cli(["history", typed, secret, "--repo", world.repo, "--json"]);
  const printed = JSON.parse(stdout) as HistoryPrinted;
  expect(printed.versions.map(({ kind }) => kind)).toEqual([
    "inserted",
    "changed",
    "deleted",
    "inserted again",
  ]);
  const shown = await page
    .locator(".document-version")
    .evaluateAll((all: { getAttribute(name: string): string | null }[]) =>
      all.map((one) => [one.getAttribute("data-captured"), one.getAttribute("data-kind")]),
    );
  expect(shown).toEqual(
    printed.versions.map(({ captured, kind }) => [captured, kind]).toReversed(),
  );

  // By keys alone: let go of the two newest, and take the two oldest.
  await page.locator(".document-version input").first().focus();
  for (const key of ["Space", "ArrowDown", "Space", "ArrowDown", "Space", "ArrowDown", "Space"]) {
    await page.keyboard.press(key);
  }
  const rows = page.locator(".field-diff tbody tr");
  await expect.poll(() => rows.count()).toBe(5);
  const paths = await page.locator(".field-diff-path").allInnerTexts();
  const changed = printed.versions.find(({ kind }) => kind === "changed")!;
  expect(paths).toEqual(changed.fields.map(({ path }) => path.join(".")));
  expect(paths).toEqual(["added", "address.zip", "empty", "file", "fraction"]);
  const textOf = (path: string) => rows.filter({ hasText: path }).innerText();
  expect(await textOf("empty")).toMatch(/removed\s+null\s+not there/);
  expect(await textOf("file")).toMatch(
    /binary 6 B fingerprint (\w{8})\s+binary 6 B fingerprint (?!\1)/,
  );

  await page.getByRole("button", { name: /the same$/ }).click();
  const number = (name: string) => {
    const [first] = stdout
      .slice(stdout.indexOf('"versions"'))
      .match(new RegExp(`"${name}":[^,}]+`))!;
    return first.slice(name.length + 3);
  };
  const cell = (path: string) =>
    rows
      .filter({ has: page.locator(".field-diff-path", { hasText: new RegExp(`^${path}$`) }) })
      .locator('[data-side="before"]')
      .innerText();
  // As it is stored: JSON.parse would have made another text of it.
  expect(await cell("big")).toBe(number("big"));
  expect(await cell("fraction")).toBe(number("fraction"));
  expect(await cell("made")).toMatch(
    /time 2026-11-\d\d \d\d:\d\d:06\.250\+00:00.*stored with \+02:00/,
  );
  expect(await cell('"e.mail"')).toBe('"a@b.c"');
  expect(await faultsOf(page)).toEqual([]);
});

test("it stays after a reload, and is asked for where nothing says which it is", async () => {
  await page.reload();
  await page.locator(".document-version").first().waitFor();
  const other = await page.context().newPage();
  await other.goto(page.url());
  await other.getByLabel("Primary key").waitFor();
  await other.close();
});

test("it is shown as it was at an instant, and leads to a recovery of just this", async () => {
  await page.getByLabel("Instant").fill(firstInstant);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  const then = page.locator(".document-shown");
  await then.getByText("3011").waitFor();
  expect(await then.innerText()).toContain("exact");
  await page.locator(".document-version").last().getByText("Restore this version").click();
  const { draft } = (await page.evaluate("history.state")) as { draft: Record<string, unknown> };
  const { stdout } = await cli(["history", typed, secret, "--repo", world.repo, "--json"]);
  const [first] = (JSON.parse(stdout) as HistoryPrinted).versions;
  expect(draft).toEqual({
    command: "rewind",
    tables: [typed],
    keys: [secret],
    at: first!.captured,
  });
});

test("a viewer is shown no document, and nothing is asked for it", async () => {
  const viewers = await newPage();
  await viewers.goto(`${world.base}/tables/${typed}`);
  await signIn(viewers, world.tokens.viewer);
  await viewers.getByText("Documents are hidden from this role.").waitFor();
  await viewers.getByText("index").first().waitFor();
  const asked: string[] = [];
  viewers.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await viewers.evaluate(
    `history.pushState({ key: "${secret}" }, "", "/tables/${typed}/document")`,
  );
  await viewers.reload();
  await viewers.getByText("Documents are hidden from this role.").waitFor();
  expect(await viewers.getByLabel("Primary key").count()).toBe(0);
  expect(asked.filter((path) => path.startsWith("/v1/tables"))).toEqual([]);
  await viewers.context().close();
});

test("no key was in a URL, and no policy was broken", () => {
  expect(urls.length).toBeGreaterThan(20);
  expect(urls.filter((url) => decodeURIComponent(url).includes(secret))).toEqual([]);
  expect(complaints).toEqual([]);
});
