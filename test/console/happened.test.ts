/** What happened?: its cases, the instants that a field suggests, and the way by keyboard alone, in a real browser. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { cliJson } from "../endtoend/cli.js";
import { nextInstant, type RestoreResult, until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";
import { startServer } from "../server/find-server.js";
import {
  orders as all,
  deleted,
  openBrowser,
  openWorld,
  signIn,
  spoilt,
  type World,
} from "./world.js";

vi.setConfig({ testTimeout: 120_000 });

interface PointsResult {
  points: { id: string; kind: string; at: string; before: string; until: string | null }[];
}

let world: World;
let browser: Browser;
let page: Page;
let points: PointsResult["points"];

const readPoints = async () =>
  (await cliJson<PointsResult>(["points", "--repo", world.repo])).points;
const point = (kind: string) => points.find((one) => one.kind === kind)!;

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  const { stage, repo } = world;
  await cliJson(["mark", "deploy 42", "--at", world.beforeDeploy, "--repo", repo]);
  await stage.query(r.dbCreate("old"));
  for (const name of ["carts", "notes"]) {
    await stage.query(r.db("old").tableCreate(name));
    await stage.query(r.db("old").table(name).insert({ id: 1 }));
  }
  await stage.untilExactNow(repo, "old.carts", "old.notes");
  await nextInstant(1500);
  await stage.untilExactNow(repo, "old.carts", "old.notes");
  await stage.query(r.dbDrop("old"));
  await until("the drops are in the log", async () => {
    points = await readPoints();
    return (
      point("dropdb") !== undefined && points.filter(({ kind }) => kind === "drop").length === 2
    );
  });
  await stage.untilExactNow(repo, "shop.orders");
  page = await (await browser.newContext()).newPage();
  await page.goto(`${world.base}/`);
  await signIn(page, world.tokens.operator);
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

const draftOf = () => page.evaluate<Record<string, unknown>>("history.state.draft");

/** What axe finds that is serious or worse. */
async function faults(): Promise<string[]> {
  const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
  await page.evaluate(await readFile(axe, "utf8"));
  const found = await page.evaluate<{
    violations: { id: string; impact: string; nodes: { html: string }[] }[];
  }>("axe.run()");
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
}

/** Goes on by Tab to what has this text, and presses Enter. */
async function activate(text: string): Promise<void> {
  await page.getByText(text).first().waitFor({ timeout: 60_000 });
  for (let tabs = 0; tabs < 100; tabs += 1) {
    await page.keyboard.press("Tab");
    const here = await page.evaluate<string>("document.activeElement.textContent");
    if (here.includes(text)) {
      await page.keyboard.press("Enter");
      return;
    }
  }
  throw new Error(`no Tab leads to "${text}"`);
}

test("from the overview to the draft of an undo, by keyboard alone, in four steps", async () => {
  await page.goto(`${world.base}/`);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await activate("What happened?");
  await page.getByRole("heading", { name: "What happened?" }).waitFor();
  await page.keyboard.press("1");
  await page.getByText(`${spoilt} documents overwritten`).waitFor({ timeout: 60_000 });
  // The largest burst is the first; the deletion, the second.
  await page.keyboard.press("Tab");
  await activate("Compare with just before");
  await page.getByText("1 table compared").waitFor({ timeout: 60_000 });
  await activate("Take back just these changes");
  await page.waitForURL("**/recover");
  const overwritten = point("overwrites");
  expect(await draftOf()).toEqual({
    command: "undo",
    tables: ["shop.orders"],
    from: overwritten.before,
    to: overwritten.until,
  });
});

test("a burst can be undone by itself, and a mark compared from", async () => {
  await page.goto(`${world.base}/happened/deploy`);
  const found = page.locator(".happened-found");
  await found.filter({ hasText: `${deleted} documents deleted` }).waitFor({ timeout: 60_000 });
  const [first, second] = await found.allInnerTexts();
  expect(first).toContain(`${spoilt} documents overwritten`);
  expect(second).toContain(`${deleted} documents deleted`);
  const marked = found.filter({ hasText: "deploy 42" }).getByRole("link");
  expect(await marked.getAttribute("href")).toBe(
    `/compare?${new URLSearchParams({ at: point("mark").before }).toString()}`,
  );
  expect(await faults()).toEqual([]);
  await found.nth(1).getByRole("link", { name: "Undo just this" }).click();
  const { from, to } = await draftOf();
  expect([from, to]).toEqual([point("deletes").before, point("deletes").until]);
});

test("a dropped database comes back with its tables, as of just before", async () => {
  await page.goto(`${world.base}/happened/dropped`);
  const found = page.locator(".happened-found", { hasText: "database old, with 2 tables" });
  await found.waitFor({ timeout: 60_000 });
  await found.getByRole("link", { name: "Restore it" }).click();
  const { before } = point("dropdb");
  expect(await draftOf()).toEqual({
    command: "restore",
    databases: ["old"],
    at: before,
    beside: false,
  });
  const words = ["restore", "--repo", world.repo, "--db", "old", "--at", before, "--dry-run"];
  const { tables } = await cliJson<{ tables: { class: string }[] }>(words);
  expect(tables.map((table) => table.class)).toEqual(["exact", "exact"]);
});

test("the commands for a lost cluster work as they are given", async () => {
  await page.goto(`${world.base}/happened/cluster`);
  await page.getByText("the catalog, and users and grants are exact").waitFor({ timeout: 60_000 });
  const commands = await page.locator(".command code").allInnerTexts();
  const empty = await startServer();
  const given = (command: string) => {
    const filled = command
      .replace("=REPO", `=${world.repo}`)
      .replace("rethinkdb://NEW:28015", `rethinkdb://${empty.host}:${empty.port}`)
      .replace("report.json", join(world.stage.directory, "report.json"));
    expect(filled).toMatch(/^thinkback restore /);
    return filled.split(" ").slice(1);
  };
  try {
    const plan = await cliJson<{ tables: { class: string }[] }>(given(commands[0]!));
    expect(plan.tables.length).toBeGreaterThanOrEqual(2);
    expect(plan.tables.filter((table) => table.class !== "exact")).toEqual([]);
    const { restored } = await cliJson<RestoreResult>(given(commands[1]!));
    const orders = restored.find(({ to }) => to === "shop.orders");
    expect(orders).toMatchObject({ documents: all - deleted, class: "exact", matches: true });
  } finally {
    await empty.stop();
  }
  // Before the first copy nothing is known, and nothing says exact.
  await page.getByLabel("Instant").fill("2001-01-01");
  await page.getByText("not all exact").waitFor();
  expect(await faults()).toEqual([]);
});

test("a field suggests points, says what they are, and of which class the instant is", async () => {
  await page.goto(`${world.base}/compare`);
  const field = page.getByRole("combobox", { name: "Then" });
  await field.focus();
  await page.keyboard.press("ArrowDown");
  const wanted = page.getByRole("option", { name: `just before: ${deleted} documents deleted` });
  await wanted.waitFor({ timeout: 60_000 });
  for (let i = 0; i < 40 && (await wanted.getAttribute("aria-selected")) !== "true"; i += 1)
    await page.keyboard.press("ArrowDown");
  expect(await field.getAttribute("aria-activedescendant")).toBe(await wanted.getAttribute("id"));
  await page.keyboard.press("Enter");
  expect(await field.inputValue()).toBe(point("deletes").before);
  expect(await field.getAttribute("aria-expanded")).toBe("false");
  const said = page.locator(".instant-field").first();
  await said.getByText(`just before: ${deleted} documents deleted`).waitFor();
  await said.getByText("what was acknowledged by then is there").first().waitFor();
  // As on the command line.
  await field.fill("before:deploy 42");
  await said.getByText(point("mark").before.slice(11, 23)).waitFor();
  await field.fill("before:nothing");
  await said.getByText("if the server knows a point of that name").waitFor();
  // What is said of an instant is not hidden by the list; the arrow key opens it, for points near.
  await field.fill("2001-01-01");
  await said.getByText("unwatched").waitFor();
  expect(await field.getAttribute("aria-expanded")).toBe("false");
  await page.keyboard.press("ArrowDown");
  expect(await field.getAttribute("aria-expanded")).toBe("true");
  await page.keyboard.press("Escape");
  await said.getByRole("button", { name: /^take/ }).first().click();
  // The first instant at which something is known of every table may be late.
  await said
    .getByText(/^(exact|late by at most .*)$/)
    .first()
    .waitFor();
  expect(await said.getByText("unwatched").count()).toBe(0);
  await field.fill("soon");
  await said.getByText("cannot read").waitFor();
  expect(await faults()).toEqual([]);
});
