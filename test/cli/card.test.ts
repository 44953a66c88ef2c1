/** The recovery card leads to the repository from another machine. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { FakeS3 } from "../storage/fake-s3.js";
import { useTestCredentials } from "../storage/s3-servers.js";

let fake: FakeS3;
let directory: string;

beforeAll(async () => {
  useTestCredentials();
  fake = await FakeS3.start();
  directory = await mkdtemp(join(tmpdir(), "thinkback-card-"));
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await fake.stop();
  await rm(directory, { recursive: true });
});

async function run(...args: string[]): Promise<string> {
  let printed = "";
  const write = (text: string | Uint8Array) => (printed += Buffer.from(text).toString());
  const streams = { stdout: { write }, stderr: { write } };
  expect([await runCommandLine(args, streams), printed]).toEqual([0, expect.any(String)]);
  return printed;
}

/** The words of a command as a shell takes them apart. */
const words = (command: string) =>
  execFileSync("sh", ["-c", `printf '%s\\n' ${command}`], { encoding: "utf8" })
    .trim()
    .split("\n");

test("it names the options, and what the environment gave, and its command is one for the shell", async () => {
  const [, given] = /^(s3:.*)$/.exec(fake.at("place"))!;
  const endpoint = new URLSearchParams(given!.split("?")[1]).get("endpoint")!;
  vi.stubEnv("AWS_ENDPOINT_URL_S3", endpoint);
  const made = await run(
    "init",
    "--repo",
    "s3://bucket/place?storageClass=STANDARD",
    "--keys",
    directory,
  );
  const full = `s3://bucket/place?storageClass=STANDARD&endpoint=${endpoint}&region=us-east-1`;
  const identity = ["--identity", join(directory, "reader.key")];
  const card = await run(
    "key",
    "card",
    "--repo",
    "s3://bucket/place?storageClass=STANDARD",
    ...identity,
  );
  for (const text of [made, card]) {
    expect(text).toContain(`  where       ${full}\n`);
    expect(text).toContain("  wants       credentials of the bucket");
    const [command] = /thinkback key drill .*/.exec(text)!;
    expect(words(command)).toContain(full);
  }
  const json = await run("key", "card", "--json", "--repo", "s3://bucket/place", ...identity);
  const { location } = JSON.parse(json) as { location: string };
  vi.stubEnv("AWS_ENDPOINT_URL_S3", undefined);
  expect(await run("key", "list", "--repo", location, ...identity)).toContain("offline");
});
