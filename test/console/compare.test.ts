/** Live tables beside an instant, in a real browser: counts as the command line has them, documents, fields, and who sees what. */
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { cliJson, start } from "../endtoend/cli.js";
import { nextInstant, until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";
import { deleted, openBrowser, openWorld, signIn, spoilt, type World } from "./world.js";

vi.setConfig({ testTimeout: 90_000 });

let world: World;
let browser: Browser;
let page: Page;
/** What pages have asked, and where they were. */
const urls: string[] = [];
const bodies: Promise<string>[] = [];
/** Before the odd documents were changed, and before a table was dropped. */
let beforeOdd: string;
let beforeDrop: string;

/** Stands in keys and in values, and nowhere else. */
const planted = "planted-4f1c";
const long = "word ".repeat(2000);
const odd = [
  { id: `${planted}-a`, left: null, deep: { er: { x: `${planted} 1` } }, list: [1, 2] },
  { id: `${planted}-b`, name: `${planted} 2` },
  { id: 42, number: 1 },
  { id: "42", text: "of the same name" },
];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  const { stage, repo } = world;
  const shop = r.db("shop");
  for (const name of ["odd", "carts"]) await stage.query(shop.tableCreate(name));
  await stage.query(shop.table("odd").insert(odd, { durability: "soft" }));
  await stage.query(shop.table("carts").insert([{ id: 1 }, { id: 2 }], { durability: "soft" }));
  await stage.untilExactNow(repo, "shop.odd", "shop.carts");
  beforeOdd = new Date(await nextInstant(300)).toISOString();
  const binary = r.binary(Buffer.from("some bytes"));
  const changed = {
    deep: { er: { x: `${planted} 3`, y: 1 } },
    when: r.epochTime(1000),
    binary,
    long,
  };
  await stage.query(shop.table("odd").get(`${planted}-a`).update(changed));
  await stage.query(shop.table("odd").get(`${planted}-b`).delete());
  await stage.query(shop.table("odd").get(42).delete());
  await stage.query(shop.table("odd").insert({ id: `${planted}-c` }));
  await stage.untilExactNow(repo, "shop.odd", "shop.carts");
  beforeDrop = new Date(await nextInstant(1500)).toISOString();
  await stage.untilExactNow(repo, "shop.carts");
  await stage.query(shop.tableDrop("carts"));
  await stage.untilExactNow(repo, "shop.orders");
  page = await openPage("operator");
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** A page of a role; what it asks and is answered is recorded. */
async function openPage(role: keyof World["tokens"], base = world.base, token?: string) {
  const opened = await (await browser.newContext()).newPage();
  opened.on("request", (request) => urls.push(request.url()));
  opened.on("framenavigated", (frame) => urls.push(frame.url()));
  opened.on("response", (response) => {
    if (response.url().includes("/v1/events")) return;
    bodies.push(response.text().catch(() => ""));
  });
  await opened.goto(`${base}/`);
  await signIn(opened, token ?? world.tokens[role]);
  return opened;
}

function compareUrl(at: string, ...tables: string[]): string {
  const query = new URLSearchParams({ at });
  for (const table of tables) query.append("table", table);
  return `/compare?${query.toString()}`;
}

/** Opens a comparison by its link, and waits until it has ended. */
async function compared(on: Page, path: string, base = world.base): Promise<void> {
  await on.goto(`${base}${path}`);
  await on.getByText(/tables? compared/).waitFor({ timeout: 60_000 });
  await on.locator(".waiting").first().waitFor({ state: "detached", timeout: 60_000 });
  urls.push(on.url());
}

/** The counts that a row shows: deleted, changed, inserted; undefined if it says that both are equal. */
async function countsOf(on: Page, table: string) {
  const cells = await on
    .locator(".compare-rows tr", { hasText: table })
    .locator("td")
    .allInnerTexts();
  if (cells[1] === "equal") return { removed: 0, changed: 0, added: 0 };
  const [removed, changed, added] = cells.slice(1, 4).map((text) => Number(text.replace(",", "")));
  return { removed, changed, added };
}

async function countsOfCommand(table: string, at: string) {
  const { stage, repo } = world;
  const words = ["diff", table, "--at", at, "--live", "--limit", "0"];
  const where = ["--repo", repo, "--target", stage.address];
  type Counts = Record<"removed" | "changed" | "added", number>;
  const { removed, changed, added } = await cliJson<Counts>([...words, ...where]);
  return { removed, changed, added };
}

const draftOf = (on: Page) => on.evaluate<object>("history.state.draft");

describe("an operator", () => {
  test("sees for each table the counts that the command line gives", async () => {
    await compared(page, compareUrl(world.beforeDeploy, "shop.orders", "shop.customers"));
    for (const table of ["shop.orders", "shop.customers"]) {
      expect(await countsOf(page, table)).toEqual(await countsOfCommand(table, world.beforeDeploy));
    }
    expect(await countsOf(page, "shop.orders")).toMatchObject({
      removed: deleted,
      changed: spoilt,
    });
    // The only table that differs is opened by itself, and says the direction in words.
    await page.getByText(`Then and not live: ${deleted} (deleted since)`).waitFor();
    await page.getByText(`In both, and different: ${spoilt} (changed since)`).waitFor();
    await page.getByRole("heading", { name: /^The first 100 of 912 documents/ }).waitFor();
    await page.getByRole("button", { name: "Show the first 912" }).click();
    await page
      .getByRole("heading", { name: "912 documents", exact: true })
      .waitFor({ timeout: 30_000 });
    expect(await page.locator(".difference-documents > li").count()).toBe(deleted + spoilt);
  });

  test("sees documents and their fields, with their types", async () => {
    await compared(page, compareUrl(beforeOdd, "shop.odd"));
    expect(await countsOf(page, "shop.odd")).toEqual({ removed: 2, changed: 1, added: 1 });
    const changed = page.locator(".difference-documents > li", { hasText: `${planted}-a` });
    await changed.getByRole("button").first().click();
    const field = (path: string) =>
      changed.locator("tr", { has: page.getByRole("rowheader", { name: path }) });
    expect(await field("deep.er.x").innerText()).toMatch(
      new RegExp(`${planted} 1.*${planted} 3`, "s"),
    );
    expect(await field("deep.er.y").innerText()).toContain("not there");
    expect(await field("when").innerText()).toContain("1970-01-01 00:16:40+00:00");
    expect(await field("binary").innerText()).toContain("10 B");
    // What has not changed is not listed, and null is not the same as not there.
    expect(await changed.getByRole("rowheader", { name: "left" }).count()).toBe(0);
    await changed.getByRole("button", { name: /the same/ }).click();
    expect(await field("left").innerText()).toContain("null");
    expect((await field("long").innerText()).length).toBeLessThan(long.length);
    await field("long").getByRole("button").click();
    expect((await field("long").innerText()).length).toBeGreaterThan(long.length);
  });

  test("takes back the documents that are chosen, and no URL has their keys", async () => {
    await compared(page, compareUrl(beforeOdd, "shop.odd"));
    await page.getByLabel(`choose ${planted}-b`).check();
    await page.getByLabel("choose 42", { exact: true }).check();
    await page.getByRole("link", { name: /Recover these 2 documents/ }).click();
    await page.waitForURL("**/recover");
    expect(await draftOf(page)).toMatchObject({
      command: "rewind",
      tables: ["shop.odd"],
      keys: [`${planted}-b`, 42],
    });
    expect(Date.parse(((await draftOf(page)) as { at: string }).at)).toBe(Date.parse(beforeOdd));
    // Back is where one was: the same comparison again.
    await page.goBack();
    await page.getByText(/table compared/).waitFor({ timeout: 30_000 });
  });

  test("is led from a burst to its undo, which ends with the burst", async () => {
    await page.goto(`${world.base}/happened/document`);
    const burst = page.locator(".happened-found", { hasText: `${deleted} documents deleted` });
    await burst.getByRole("link", { name: "Compare with just before" }).click();
    await page.getByText(/table compared/).waitFor({ timeout: 30_000 });
    expect(await countsOf(page, "shop.orders")).toEqual({ removed: deleted, changed: 0, added: 0 });
    await page.getByRole("link", { name: "Take back just these changes" }).click();
    const draft = (await draftOf(page)) as { from: string; to: string };
    expect(draft).toMatchObject({ command: "undo", tables: ["shop.orders"] });
    expect(Date.parse(draft.from)).toBeGreaterThanOrEqual(Date.parse(world.beforeDeletion));
    expect(Date.parse(draft.to)).toBeGreaterThan(Date.parse(draft.from));
    expect(Date.parse(draft.to)).toBeLessThan(Date.parse(beforeOdd));
  });

  test("is told of a table that is not live any more, and of one that was not there then", async () => {
    await compared(page, compareUrl(beforeDrop, "shop.carts", "shop.orders"));
    await page.locator("tr", { hasText: "shop.carts" }).getByRole("button").click();
    await page.getByText("This table was dropped since.").waitFor();
    await page.getByRole("link", { name: "Restore the table" }).click();
    expect(await draftOf(page)).toMatchObject({
      command: "restore",
      tables: ["shop.carts"],
      beside: false,
    });
    await compared(page, compareUrl(world.beforeDeploy, "shop.odd", "shop.orders"));
    const row = page.locator(".compare-rows tr", { hasText: "shop.odd" });
    expect(await row.innerText()).toContain("there was no table shop.odd at");
    expect(await countsOf(page, "shop.orders")).toMatchObject({ removed: deleted });
  });

  test("stops a comparison, and what was not compared says so", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route("**/v1/tables/shop.odd/diff", async (route) => {
      await held;
      await route.continue().catch(() => undefined);
    });
    await page.goto(
      `${world.base}${compareUrl(beforeOdd, "shop.orders", "shop.odd", "shop.customers")}`,
    );
    await page.getByText("comparing shop.odd, 2 of 3").waitFor({ timeout: 60_000 });
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("2 tables left out, because it was stopped").waitFor();
    release();
    await page.unroute("**/v1/tables/shop.odd/diff");
  });
});

describe("a viewer", () => {
  test("sees the counts, and no content in any answer or anywhere on the page", async () => {
    const from = bodies.length;
    const viewer = await openPage("viewer");
    await compared(viewer, compareUrl(beforeOdd, "shop.odd", "shop.orders"));
    expect(await countsOf(viewer, "shop.odd")).toEqual({ removed: 2, changed: 1, added: 1 });
    await viewer.getByText("hidden from this role").waitFor();
    expect(
      await viewer.getByRole("link", { name: /Restore beside|Recover th|Rewind/ }).count(),
    ).toBe(0);
    const pages = [await viewer.content()];
    for (const path of ["document", "deploy", "dropped", "cluster", "looking"]) {
      await viewer.goto(`${world.base}/happened/${path}`);
      await viewer.locator(".happened-found, .command").first().waitFor({ timeout: 30_000 });
      pages.push(await viewer.content());
    }
    const answers = await Promise.all(bodies.slice(from));
    // Who may read them is sent them, by the same page: so the search finds what is there.
    expect((await Promise.all(bodies.slice(0, from))).join("")).toContain(planted);
    expect(answers.filter((text) => text.includes('"removed":2')).length).toBeGreaterThan(0);
    expect([...answers, ...pages].filter((text) => text.includes(planted))).toEqual([]);
    await viewer.context().close();
  });
});

describe("a console by itself", () => {
  const opened = async (more: string[], path: string) => {
    const running = start(["console", "--repo", world.repo, "--listen", "0", ...more]);
    const said = /the console is at (\S+)\/\nsign in with (\S+)/;
    await until("it serves", () => said.test(running.stdout()));
    const [, base, token] = said.exec(running.stdout())!;
    const on = await openPage("admin", base!, token!);
    await compared(on, path, base!);
    return {
      on,
      end: async () => {
        await on.context().close();
        running.process.kill("SIGINT");
        await running.finished;
      },
    };
  };

  test("compares with the live tables of its target", async () => {
    const path = compareUrl(world.beforeDeploy, "shop.orders");
    const { on, end } = await opened(["--target", world.stage.address], path);
    expect(await countsOf(on, "shop.orders")).toMatchObject({ removed: deleted, changed: spoilt });
    await end();
  });

  test("compares two instants if it has no target", async () => {
    const path = compareUrl(world.beforeDeploy, "shop.orders");
    const { on, end } = await opened([], `${path}&to=${encodeURIComponent(world.beforeDeletion)}`);
    await on.getByText("This server does not reach the live tables").waitFor();
    expect(await countsOf(on, "shop.orders")).toEqual({ removed: 0, changed: spoilt, added: 0 });
    await on.getByText(`In both, and different: ${spoilt} (changed between)`).waitFor();
    await end();
  });
});

test("no URL, asked for or gone to, has had a key in it", () => {
  expect(urls.some((url) => url.includes("/compare?"))).toBe(true);
  expect(urls.filter((url) => decodeURIComponent(url).includes(planted))).toEqual([]);
});
