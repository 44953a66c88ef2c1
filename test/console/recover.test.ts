/** Recoveries in the console: asked for, seen, decided, followed and reported, in a real browser. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Role } from "../../src/repository/registers/tokens.js";
import { r } from "../server/driver.js";
import { deleted, openBrowser, openWorld, orders, signIn, spoilt, type World } from "./world.js";

vi.setConfig({ testTimeout: 120_000 });

let world: World;
let browser: Browser;
/** After the deletion. */
let afterDeletion: string;
const complaints: string[] = [];

beforeAll(async () => {
  [world, browser] = await Promise.all([openWorld(), openBrowser()]);
  afterDeletion = new Date().toISOString();
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await world?.close();
});

const pages = new Map<Role, Page>();

/** The page of somebody who has signed in, at the list of recoveries. The approver has a phone. */
async function pageOf(role: Role): Promise<Page> {
  const known = pages.get(role);
  if (known) {
    await known.goto(`${world.base}/recoveries`);
    return known;
  }
  const context = await browser.newContext({
    viewport: { width: role === "approver" ? 390 : 1280, height: 900 },
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  pages.set(role, page);
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${world.base}/recoveries`);
  await signIn(page, world.tokens[role]);
  return page;
}

/** As another page of the console leads here. */
async function goWith(page: Page, draft: object): Promise<void> {
  await page.evaluate(
    `history.pushState(${JSON.stringify({ draft })}, "", "/recover"); dispatchEvent(new PopStateEvent("popstate"))`,
  );
  await page.getByRole("heading", { name: "Recover", level: 1 }).waitFor();
}

const idOf = (page: Page) => page.url().split("/").at(-1)!;

async function seePlan(page: Page): Promise<string> {
  await page.getByRole("button", { name: "See the plan" }).click();
  await page.waitForURL("**/recoveries/*");
  await page.getByRole("heading", { name: "Shall it be done?" }).waitFor({ timeout: 30_000 });
  return idOf(page);
}

const badge = (page: Page, text: string) => page.locator("header .badge", { hasText: text });

interface Answered {
  state: string;
  plan: Record<string, unknown>;
  result: Record<string, unknown>;
}

async function api(role: Role, path: string, body?: object): Promise<Response> {
  return fetch(`${world.base}${path}`, {
    method: body ? "POST" : "GET",
    headers: {
      authorization: `Bearer ${world.tokens[role]}`,
      ...(body
        ? { "content-type": "application/json", "idempotency-key": crypto.randomUUID() }
        : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
}

const recoveryOf = async (id: string) =>
  (await (await api("operator", `/v1/recoveries/${id}`)).json()) as Answered;

/** What the n-th button that copies has put into the clipboard. */
async function copied(page: Page, beginning: string): Promise<string> {
  const command = page.locator(".command", { hasText: beginning });
  await command.getByRole("button").click();
  await command.getByText("copied").waitFor();
  return (await page.evaluate("navigator.clipboard.readText()")) as string;
}

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Runs a command as somebody does who has copied it into a shell; URL is the one thing that they fill in. */
async function inShell(command: string): Promise<unknown> {
  const script = `thinkback() { "${process.execPath}" "${main}" "$@"; }\n${command.replace("=URL", `=${world.stage.address}`)}`;
  const { stdout } = await promisify(execFile)("sh", ["-c", script]);
  return JSON.parse(stdout) as unknown;
}

const axePath = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What a checker of accessibility finds that is serious. */
async function seriousOn(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(axePath, "utf8"));
  return (await page.evaluate(
    `axe.run().then(({ violations }) => violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`,
  )) as string[];
}

const ordersNow = () => world.stage.query<number>(r.db("shop").table("orders").count());

/** What differs each time that the same plan is made. */
function steady(plan: Record<string, unknown>) {
  const { operation: _, estimate, requests: __, plan: ___, ...rest } = plan;
  const { writes, storedBytes, documents } = estimate as Record<string, unknown>;
  return { ...rest, estimate: { writes, storedBytes, documents } };
}

let undone = "";

test("what would bring deleted documents back is seen before: on the page as on the command line", async () => {
  const page = await pageOf("operator");
  const draft = { command: "undo", tables: ["shop.orders"] };
  await goWith(page, { ...draft, from: world.beforeDeletion, to: afterDeletion });
  expect(await seriousOn(page)).toEqual([]);
  const formCommand = (await copied(page, "--dry-run")).replace("--dry-run", "--dry-run --json");
  undone = await seePlan(page);

  // The page, the API and the command line have the same counts.
  const { plan } = await recoveryOf(undone);
  expect(plan).toMatchObject({ documents: deleted, broughtBack: deleted, changed: 0, deleted: 0 });
  const ownCommand = await copied(page, "--dry-run");
  expect(ownCommand).toBe(formCommand);
  expect(steady((await inShell(ownCommand)) as typeof plan)).toEqual(steady(plan));
  await page.locator(".figure", { hasText: "brought back" }).getByText(String(deleted)).waitFor();
  expect(await seriousOn(page)).toEqual([]);
});

test("it is done when its name is typed and somebody else approves, and the page goes on to the report", async () => {
  const page = pages.get("operator")!;
  const { plan } = await recoveryOf(undone);
  // Who has requested it is told that somebody else has to approve, and has no button for it.
  await page.getByText("You have requested it, so you cannot approve it.").waitFor();
  expect(await page.getByRole("button", { name: /Approve/ }).count()).toBe(0);

  // Nothing is done before the name is typed.
  const button = page.getByRole("button", { name: `Bring back ${deleted} documents, about` });
  expect(await button.isDisabled()).toBe(true);
  const typed = page.getByLabel("To confirm, type");
  await typed.fill("shop.order");
  expect(await button.isDisabled()).toBe(true);
  await typed.fill("shop.orders");
  await typed.press("Enter");
  await badge(page, "waits for approval").waitFor();
  expect(await ordersNow()).toBe(orders - deleted);

  // On a phone: what waits for the approver is first, and the button says what it does.
  const phone = await pageOf("approver");
  await phone.getByText("Waiting for you (1)").waitFor();
  expect(await seriousOn(phone)).toEqual([]);
  await phone.getByRole("link", { name: undone }).first().click();
  const approve = phone.getByRole("button", { name: `Approve: Bring back ${deleted} documents` });
  await approve.waitFor();
  expect(await phone.evaluate("document.documentElement.scrollWidth")).toBe(390);
  await approve.click();

  // The other page goes on by itself, to the report.
  await page.getByRole("heading", { name: "Report" }).waitFor({ timeout: 30_000 });
  await badge(page, "done").waitFor();
  await page.getByText("by the-approver").waitFor();
  expect(await ordersNow()).toBe(orders);
  const { result } = await recoveryOf(undone);
  expect(result).toMatchObject({ written: deleted, broughtBack: deleted, leftCount: 0 });
  const shown = (await inShell(await copied(page, "recoveries show"))) as Answered;
  expect({ plan: shown.plan, result: shown.result }).toEqual({ plan, result });
  expect(await seriousOn(page)).toEqual([]);
});

test("the way back leads to a plan of its own, which is left undone", async () => {
  const page = await pageOf("operator");
  await page.goto(`${world.base}/recoveries/${undone}`);
  await page.getByRole("link", { name: "Undo this undo" }).click();
  expect(await page.getByLabel("Operation", { exact: true }).inputValue()).toMatch(/^[0-9a-f]{8}$/);
  const id = await seePlan(page);
  await page.getByRole("button", { name: `Delete ${deleted} documents` }).waitFor();
  await page
    .getByText(`Deleted from shop.orders, because they were made since (${deleted})`)
    .waitFor();
  // A step back shows the form as it was.
  await page.goBack();
  expect(await page.getByLabel("Undo an undo or a rewind").isChecked()).toBe(true);
  await page.goto(`${world.base}/recoveries`);
  await page.getByRole("link", { name: id }).first().click();
  await page.getByRole("button", { name: "Do not do it" }).click();
  await badge(page, "cancelled").waitFor();
  expect(await page.getByRole("button", { name: "Do not do it" }).count()).toBe(0);
  expect((await recoveryOf(id)).state).toBe("cancelled");
});

test("whoever has requested or may not approve is refused, and told why", async () => {
  const args = ["shop.orders", `--at=${world.beforeDeploy}`];
  const asked = await api("admin", "/v1/recoveries", { command: "rewind", args, confirm: true });
  const { id } = (await asked.json()) as { id: string };
  const page = await pageOf("admin");
  await page.goto(`${world.base}/recoveries/${id}`);
  await page.getByText("You have requested it, so you cannot approve it.").waitFor();
  expect((await api("admin", `/v1/recoveries/${id}/approve`, {})).status).toBe(422);

  // Somebody who may approve confirms nothing, and the other way round.
  const approver = await pageOf("approver");
  await approver.goto(`${world.base}/recoveries/${id}`);
  await approver.getByText("role operator or admin has to confirm it").waitFor();
  const operator = await pageOf("operator");
  await operator.goto(`${world.base}/recoveries/${id}`);
  await operator.getByText("not the-admin, who has requested it").waitFor();
  expect(await operator.getByRole("button", { name: /Approve/ }).count()).toBe(0);

  // What the server refuses is shown in its words: meanwhile somebody has cancelled it.
  await approver.route("**/approve", async (route) => {
    await api("operator", `/v1/recoveries/${id}/cancel`, {});
    await route.continue();
  });
  await approver.getByRole("button", { name: /^Approve/ }).click();
  await approver.getByText("is cancelled, and cannot be approved now").waitFor();
  await badge(approver, "cancelled").waitFor({ timeout: 5000 });
  await badge(page, "cancelled").waitFor({ timeout: 5000 });
  await approver.unroute("**/approve");
});

test("a viewer sees how far it is, and nothing of what it is about", async () => {
  const page = await pageOf("viewer");
  await page.goto(`${world.base}/recoveries/${undone}`);
  await badge(page, "done").waitFor();
  await page.getByText("hidden from this role").first().waitFor();
  const text = await page.locator("main").innerText();
  for (const hidden of ["shop.orders", String(deleted), "order-"])
    expect(text).not.toContain(hidden);
  await page.goto(`${world.base}/recover`);
  await page.getByText("may not request recoveries").waitFor();
  expect(await page.getByRole("button", { name: "See the plan" }).count()).toBe(0);
});

test("conflicts are named before anything is written, and so is what each way would write", async () => {
  const lost = r.db("shop").table("orders").filter({ status: "lost" });
  await world.stage.query(lost.limit(3).update({ status: "returned" }));
  await world.stage.untilExactNow(world.repo, "shop.orders");
  const page = await pageOf("operator");
  await goWith(page, {
    command: "undo",
    tables: ["shop.orders"],
    from: world.beforeDeploy,
    to: world.beforeDeletion,
  });
  await page.getByRole("button", { name: "See the plan" }).click();
  await badge(page, "failed").waitFor({ timeout: 30_000 });
  await page.getByRole("heading", { name: "3 conflicts" }).waitFor();
  const rows = page.getByRole("table", { name: "Conflicts" }).getByRole("row");
  expect(await rows.filter({ hasText: "status" }).count()).toBe(3);
  await page
    .getByRole("link", { name: `Overwrite these fields: write ${spoilt} documents` })
    .waitFor();
  await page.getByRole("link", { name: `Leave them: write ${spoilt - 3} documents` }).click();
  await seePlan(page);
  await page.getByRole("button", { name: `Change ${spoilt - 3} documents` }).waitFor();
  await page.getByRole("button", { name: "Do not do it" }).click();
  await badge(page, "cancelled").waitFor();
});

test("goes on by itself after the process was killed amid, and is carried out to its end", async () => {
  const page = await pageOf("operator");
  await goWith(page, { command: "restore", tables: ["shop.orders"], beside: true });
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel("At most, each second").fill("200");
  const id = await seePlan(page);
  await page
    .getByRole("button", { name: /^Restore shop.orders, [0-9,]+ documents in its base/ })
    .click();
  await page.getByRole("heading", { name: "It is carried out" }).waitFor({ timeout: 20_000 });
  const away = page.getByText("The server does not answer.").first();
  const restarting = world.restart();
  await away.waitFor();
  await restarting;
  await away.waitFor({ state: "detached", timeout: 5000 });
  await badge(page, "running").waitFor();
  await page.getByRole("heading", { name: "Report" }).waitFor({ timeout: 80_000 });
  await page.getByText("equal", { exact: true }).waitFor();
  await page.getByRole("link", { name: "promote" }).click();
  const named = await page.getByLabel("Restored table", { exact: true }).inputValue();
  expect(named).toMatch(/^shop\.orders_at_/);
  expect((await recoveryOf(id)).result).toMatchObject({
    restored: [{ to: named, documents: orders }],
  });
});

test("a page that can have no stream asks every few seconds", async () => {
  const page = await pageOf("operator");
  const args = ["--table=shop.customers", "--beside"];
  const asked = await api("operator", "/v1/recoveries", {
    command: "restore",
    args,
    confirm: true,
  });
  const { id } = (await asked.json()) as { id: string };
  const ended = new AbortController();
  const open: Promise<Response>[] = [];
  for (let i = 0; i < 8; i += 1) {
    const headers = { authorization: `Bearer ${world.tokens.operator}` };
    open.push(fetch(`${world.base}/v1/events`, { headers, signal: ended.signal }));
  }
  expect((await Promise.all(open)).some(({ status }) => status === 429)).toBe(true);
  await page.getByRole("link", { name: id }).first().click();
  await badge(page, "waits for confirmation").waitFor({ timeout: 20_000 });
  expect((await api("operator", `/v1/recoveries/${id}/cancel`, {})).status).toBe(200);
  await badge(page, "cancelled").waitFor({ timeout: 8000 });
  ended.abort();
});

test("no page has failed", () => {
  expect(complaints).toEqual([]);
});
