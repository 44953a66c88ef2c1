/** Runs every command that docs/api.md shows, in its order, on a real `thinkback run`; and ends it under way. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allRoutes } from "../../src/api/server.js";
import type { Running } from "../endtoend/cli.js";
import { nextInstant, Stage, stop, until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const page = await readFile(join(import.meta.dirname, "../../docs/api.md"), "utf8");
const lines = [...page.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, text]) =>
  text!.split("\n").filter((line) => line !== ""),
);
const orders = r.db("shop").table("orders");

let stage: Stage;
let repo: string;
let capture: Running;
let base: string;
let token = "";
let before: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders.insert({ id: "order-1", total: 1 }));
  const [, , ...options] = lines[0]!.replace("7070", "0").split(" ");
  const given = new Map([
    ["URL", stage.address],
    ["REPO", repo],
  ]);
  capture = stage.capture(repo, ...options.map((word) => given.get(word) ?? word));
  await until("the API is served", () => /"api":"http/.test(capture.stderr()));
  base = /"api":"([^"]+)"/.exec(capture.stderr())![1]!;
  await stage.untilExactNow(repo, "shop.orders");
  before = new Date(await nextInstant(300)).toISOString();
  await stage.query(orders.get("order-1").update({ total: 2 }));
  await stage.untilExactNow(repo, "shop.orders");
}, 60_000);

afterAll(() => stage.close());

/** Runs a line as a shell does, and fails where the server answers with an error. */
async function shell(line: string): Promise<string> {
  const here = line
    .replaceAll("REPO", `'${repo}'`)
    .replaceAll("http://127.0.0.1:7070", base)
    .replaceAll("from=T", `from=${before}`)
    .replaceAll("curl -sS", "curl -sS --fail-with-body");
  const script = `thinkback() { '${process.execPath}' '${main}' "$@"; }\nTOKEN='${token}'\n${here}\necho "TOKEN=$TOKEN"`;
  const { stdout } = await run("bash", ["-euo", "pipefail", "-c", script]);
  token = /TOKEN=(.*)\n$/.exec(stdout)![1]!;
  return stdout.slice(0, stdout.lastIndexOf("TOKEN="));
}

test("each command of the page does what it says", async () => {
  const printed = new Map<string, string>();
  for (const line of lines.slice(1)) printed.set(line, await shell(line));
  const answered = (part: string) =>
    JSON.parse([...printed].find(([line]) => line.includes(part))![1]) as Record<string, unknown>;
  expect(answered("/v1/status")["tables"]).toContainEqual(
    expect.objectContaining({ name: "shop.orders", state: "live" }),
  );
  expect(answered("/history")["versions"]).toMatchObject([
    { document: { id: "order-1", total: 1 } },
    { document: { id: "order-1", total: 2 } },
  ]);
  expect(answered("/diff")).toMatchObject({ changed: 1, documents: [{ key: "order-1" }] });
  expect(answered("release-12")).toMatchObject({ name: "release-12" });
  expect(answered("/healthz")).toMatchObject({ healthy: true, lanes: [{ lane: 0 }] });
  expect(answered("ticket-4711")).toMatchObject({ command: "undo" });
  expect(printed.size).toBe(lines.length - 1);
}, 60_000);

test("every route stands on the page, and every probe", () => {
  const said = page.replaceAll("`…/cancel`", "`/v1/recoveries/{id}/cancel`");
  for (const { path } of allRoutes)
    expect(said).toContain(path.replace("/v1/pins/{name}", "/v1/pins"));
});

test("an address that is taken, and one that would send tokens unencrypted, are refused", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await until("it listens", () => taken.listening);
  const { port } = taken.address() as { port: number };
  for (const [api, status] of [
    [`127.0.0.1:${port}`, 2],
    ["0.0.0.0:0", 2],
  ] as const) {
    const { status: ended, stderr } = await stage.capture(stage.repo(`r${port}`), "--api", api)
      .finished;
    expect([ended, stderr]).toEqual([status, expect.stringContaining("--api")]);
  }
  taken.close();
});

test("the end of the capture ends the API, and closes the last tick", async () => {
  const { status, stderr } = await stop(capture);
  expect([status, stderr]).toEqual([0, expect.stringContaining("the last tick is closed")]);
  await expect(fetch(`${base}/livez`)).rejects.toThrow();
});
