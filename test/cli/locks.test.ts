/** Locks are renewed at a copy too, and somebody says so where nobody renews them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { declareLocked } from "../../src/repository/registers/settings.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { locksText } from "../../src/upkeep/renew-locks.js";
import { makeRepository } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";
import { FakeS3 } from "../storage/fake-s3.js";
import { useTestCredentials } from "../storage/s3-servers.js";

const dayMs = 86_400_000;
let fake: FakeS3;
let directory: string;

beforeAll(async () => {
  useTestCredentials();
  fake = await FakeS3.start({ isVersioned: true });
  directory = await mkdtemp(join(tmpdir(), "thinkback-locks-"));
});

afterAll(async () => {
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

test("`copy` renews those of everything that the source has", async () => {
  const target = fake.at("copy", "&lock=30d");
  await run("init", "--plain", "--repo", directory);
  await run("copy", "--from", directory, "--to", target);
  const version = fake.bucket.find("copy/repository.json")!;
  const first = version.lock!.until;
  version.lock!.until = Date.now() + dayMs;
  await run("copy", "--from", directory, "--to", target, "--dry-run");
  expect(version.lock!.until).toBeLessThan(first);
  await run("copy", "--from", directory, "--to", target);
  expect(version.lock!.until).toBeGreaterThanOrEqual(first);
});

test("maintenance without lock= says that it renews none, once there are any", async () => {
  const repo = join(directory, "own");
  await run("init", "--plain", "--repo", repo);
  expect(await run("maintain", "--repo", repo)).not.toContain("lock=");
  await declareLocked(storeAt(repo), 0, Date.now());
  expect(await run("maintain", "--repo", repo)).toContain(
    "given without lock=, so no lock is renewed",
  );
});

test("where locks were not renewed for half of their time, that is told", async () => {
  const memory = new MemoryStore();
  const repository = await makeRepository(memory);
  const { created } = repository.description;
  const store = overriding<ObjectStore>(memory, { lockMs: 30 * dayMs });
  const locking = { ...repository, store };
  expect(await locksText(repository, created + 100 * dayMs)).toBeUndefined();
  expect(await locksText(locking, created + 14 * dayMs)).toBeUndefined();
  expect(await locksText(locking, created + 15 * dayMs)).toMatch(/^THE LOCKS were never renewed/);
  await declareLocked(memory, 0, created + 15 * dayMs);
  expect(await locksText(locking, created + 20 * dayMs)).toBeUndefined();
  expect(await locksText(locking, created + 31 * dayMs)).toMatch(/^THE LOCKS were renewed last at/);
});
