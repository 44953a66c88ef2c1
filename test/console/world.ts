/**
 * A server with data, a process that captures it and serves the console, tokens of each role, and a browser: what the
 * tests of the console work with.
 */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Role, roles } from "../../src/repository/registers/tokens.js";
import { cliJson, type Running } from "../endtoend/cli.js";
import { kill, nextInstant, Stage, until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";

/** Where systems have it. */
const browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const orders = 2000;
/** Documents that the bad deploy has changed, and those that were deleted by mistake. */
export const spoilt = 500;
export const deleted = 412;

export interface World {
  stage: Stage;
  repo: string;
  /** Where the console is, without a slash at its end. */
  base: string;
  tokens: Record<Role, string>;
  daemon: Running;
  /** Just before the bad deploy, and just before the deletion, in ISO 8601. */
  beforeDeploy: string;
  beforeDeletion: string;
  /** Starts the daemon again at the same address. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Begins the world: shop.orders with a bad deploy and then a deletion by mistake, and shop.customers, which is well. */
export async function openWorld(): Promise<World> {
  const stage = await Stage.open();
  const repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  for (const table of ["orders", "customers"]) await stage.query(r.db("shop").tableCreate(table));
  const table = r.db("shop").table("orders");
  const made = Array.from({ length: orders }, (_, i) => ({
    id: `order-${String(i).padStart(5, "0")}`,
    status: i % 3 === 0 ? "paid" : "open",
    total: 10 + (i % 90),
    views: 0,
    customer: { name: `Customer ${i % 40}`, city: ["Bern", "Basel", "Genf"][i % 3]! },
  }));
  await stage.query(table.insert(made, { durability: "soft" }));
  const customers = Array.from({ length: 40 }, (_, i) => ({ id: i, name: `Customer ${i}` }));
  await stage.query(r.db("shop").table("customers").insert(customers, { durability: "soft" }));
  const begin = (port: string) =>
    stage.capture(repo, "--api", `127.0.0.1:${port}`, "--recoveries", "--maintain-every", "1h");
  let daemon = begin("0");
  const base = await servedAt(daemon);
  await stage.untilExactNow(repo, "shop.orders", "shop.customers");
  const beforeDeploy = new Date(await nextInstant(300)).toISOString();
  await stage.query(table.limit(spoilt).update({ status: "lost" }, { durability: "soft" }));
  await stage.untilExactNow(repo, "shop.orders");
  const beforeDeletion = new Date(await nextInstant(300)).toISOString();
  await stage.query(
    table
      .orderBy({ index: r.desc("id") })
      .limit(deleted)
      .delete({ durability: "soft" }),
  );
  await stage.untilExactNow(repo, "shop.orders");
  const tokens = {} as Record<Role, string>;
  for (const role of roles) {
    const words = ["token", "create", `the-${role}`, "--role", role, "--repo", repo];
    tokens[role] = (await cliJson<{ token: string }>(words)).token;
  }
  const world: World = {
    stage,
    repo,
    base,
    tokens,
    daemon,
    beforeDeploy,
    beforeDeletion,
    restart: async () => {
      await kill(daemon);
      daemon = begin(new URL(base).port);
      world.daemon = daemon;
      await servedAt(daemon);
    },
    close: () => stage.close(),
  };
  return world;
}

async function servedAt(daemon: Running): Promise<string> {
  await until("the API is served", () => /"api":"http/.test(daemon.stderr()));
  return /"api":"([^"]+)"/.exec(daemon.stderr())![1]!;
}

/** The system's browser, without a window. */
export function openBrowser(): Promise<Browser> {
  const executablePath = browsers.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error(`no browser at ${browsers.join(", ")}`);
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}

/** Types a token, and waits for the page behind. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
}
