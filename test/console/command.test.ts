/** `thinkback console`: a repository alone in a browser. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { start } from "../endtoend/cli.js";
import { until } from "../endtoend/stage.js";
import { makeRepository } from "../repository/recording.js";

let directory: string;
let repo: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-console-"));
  repo = join(directory, "repository");
  await makeRepository(new DirectoryStore(repo));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

test("serves its pages and the API to whoever has the token that it prints", async () => {
  const running = start(["console", "--repo", repo, "--listen", "0"]);
  const said = /the console is at (\S+)\/\nsign in with (\S+)/;
  await until("it serves", () => said.test(running.stdout()));
  const [, base, token] = said.exec(running.stdout())!;
  const page = await fetch(`${base}/tables/shop.orders`);
  expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(await page.text()).toContain("<title>Thinkback</title>");
  const ask = (given: string) =>
    fetch(`${base}/v1/session`, { headers: { authorization: `Bearer ${given}` } });
  expect((await ask(`${token!.slice(0, -1)}${token!.endsWith("A") ? "B" : "A"}`)).status).toBe(401);
  expect(await (await ask(token!)).json()).toMatchObject({
    role: "admin",
    server: { repository: repo, targets: null, seesLive: false },
  });
  running.process.kill("SIGINT");
  expect((await running.finished).status).toBe(0);
});

test.each([
  ["0.0.0.0:0", "reached from elsewhere"],
  ["nowhere", "not an address to listen on"],
])("does not listen at %s", async (listen, message) => {
  const { status, stderr } = await start(["console", "--repo", repo, "--listen", listen]).finished;
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});
