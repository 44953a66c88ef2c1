/** Runs every command that docs/monitoring.md shows, on a server that the project finds. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { metricsUrl } from "../endtoend/scrape.js";
import { Stage, stop, until } from "../endtoend/stage.js";
import { readExposition } from "../health/exposition.js";
import { folder } from "../health/monitoring.js";
import { r } from "../server/driver.js";

const page = await readFile(join(folder, "../monitoring.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    ([, text]) => text!,
  );
const lines = blocks("sh").flatMap((text) => text.trim().split("\n"));

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
});

afterAll(() => stage.close());

/** The options of a line that begins a capture, with what stands here for what stands on the page. */
function optionsOf(line: string, here: Record<string, string>): string[] {
  expect(line).toMatch(/^thinkback run --source rethinkdb:\/\/db1:28015 --repo \/backup /);
  return line
    .split(" ")
    .slice(6)
    .map((word) => here[word] ?? word);
}

test("the page shows these commands, and a part of the configuration of Prometheus", async () => {
  expect(lines.map((line) => line.split(" ", 2).join(" "))).toEqual([
    "thinkback run",
    "curl -sf",
    "thinkback run",
  ]);
  const [prometheus] = blocks("yaml").map((text) => parse(text) as { rule_files: string[] });
  for (const file of prometheus!.rule_files) await readFile(join(folder, file));
});

test("a capture serves its metrics", async () => {
  const running = stage.capture(stage.repo("metrics"), ...optionsOf(lines[0]!, { 9464: "0" }));
  const url = await metricsUrl(running);
  const command = lines[1]!.replace("http://localhost:9464/metrics", url);
  expect(command).not.toBe(lines[1]);
  const { stdout } = await promisify(execFile)("sh", ["-c", command]);
  expect(readExposition(stdout).size).toBeGreaterThan(30);
  expect((await stop(running)).status).toBe(0);
});

test("a capture sends heartbeats", async () => {
  let heard = 0;
  const monitor = createServer((_, response) => {
    heard += 1;
    response.end();
  });
  await new Promise<void>((resolve) => monitor.listen(0, "127.0.0.1", resolve));
  stage.onClose(async () => monitor.close());
  const file = stage.repo("secret");
  const { port } = monitor.address() as AddressInfo;
  await writeFile(file, `http://127.0.0.1:${port}/\n`, { mode: 0o600 });
  const options = optionsOf(lines[2]!, { "/run/secrets/heartbeat": file });
  const running = stage.capture(stage.repo("heartbeat"), ...options);
  await until("one was heard", () => heard === 1);
  expect((await stop(running)).status).toBe(0);
});
