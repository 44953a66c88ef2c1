/**
 * Copies that other tools make: files in any order, the last one cut short. What is read of such a copy is right, or
 * refused with an error that names an object; and it can be finished, by the tool or by `thinkback copy`.
 */
import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RepositoryCopy } from "../../src/copies/copy.js";
import { isSignal } from "../../src/copies/copy-order.js";
import { ThinkbackError } from "../../src/errors.js";
import { openRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { namesIn } from "../repository/recording.js";
import { Random } from "../simulated/random.js";
import { verifyRepository } from "../simulation/stored-objects.js";
import { makeWorld, type Reading, readingsOf, restored, type World } from "../verify/world.js";

const execute = promisify(execFile);

let world: World;
let readings: Reading[];
let names: string[];
let directory: string;
let source: string;

beforeAll(async () => {
  world = await makeWorld();
  readings = await readingsOf(world);
  names = await namesIn(world.store);
  directory = await mkdtemp(join(tmpdir(), "thinkback-tools-"));
  source = join(directory, "source");
  const store = new DirectoryStore(source);
  for (const name of names) await store.put(name, await world.store.get(name));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function copyFiles(order: string[], to: string): Promise<void> {
  for (const name of order) {
    await mkdir(dirname(join(to, name)), { recursive: true });
    await copyFile(join(source, name), join(to, name));
  }
}

/** What damage names: an object, or that there is no repository. */
const named = /(?:log|bases|folded|writers|expiries|pins|settings)\/|repository/;

/** How many readings of a copy are right, and how many are refused; throws if one is wrong. */
async function judged(to: string, some: Reading[]): Promise<{ right: number; refused: number }> {
  const counts = { right: 0, refused: 0 };
  for (const { table, at, documents } of some) {
    let found: string;
    try {
      found = await restored(new DirectoryStore(to), table, at);
    } catch (error) {
      if (!(error instanceof ThinkbackError)) throw error;
      // Where the end of the log is not there yet, nothing is missing.
      if (!["instant", "unknown"].includes(error.code)) expect(error.message).toMatch(named);
      counts.refused += 1;
      continue;
    }
    expect(found, `${table} at ${at}`).toBe(documents);
    counts.right += 1;
  }
  return counts;
}

test("a copy in any order is right or refuses, and is finished in either way", async () => {
  let right = 0;
  let refused = 0;
  for (let seed = 1; seed <= 6; seed += 1) {
    const random = new Random(seed);
    // Our own copier leaves out what is not to be in a copy, and so does not finish it.
    const isByOwn = seed % 2 === 1;
    const order = names.filter((name) => !isByOwn || !isSignal(name));
    for (let i = order.length - 1; i > 0; i -= 1) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    const to = join(directory, `copy-${seed}`);
    // From half of it up to all but one.
    const some = order.slice(0, order.length - Math.ceil(order.length / 2 ** seed));
    await copyFiles(some, to);
    const last = join(to, some.at(-1)!);
    await truncate(last, random.below((await world.store.get(some.at(-1)!)).length));
    const store = new DirectoryStore(to);
    const counts = await judged(
      to,
      readings.filter((_, i) => i % 4 === seed % 4),
    );
    right += counts.right;
    refused += counts.refused;
    // The tool goes on: it takes a file with another size for unfinished.
    if (!isByOwn) {
      await cp(source, to, { recursive: true });
    } else {
      await rm(last);
      await copyFiles(["repository.json"], to);
      const copy = await RepositoryCopy.begin(new DirectoryStore(source), store);
      await copy.run();
      expect(copy.findings.size).toBe(0);
    }
    await verifyRepository(store);
  }
  expect(right).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
}, 60_000);

test("cp that is killed on its way, and run again, leaves a whole copy", async () => {
  const to = join(directory, "by-cp");
  for (let tries = 1; ; tries += 1) {
    const copying = execute(
      "cp",
      ["-R", `${source}/.`, to],
      tries < 4 ? { timeout: 2 * tries } : {},
    );
    const isDone = await copying.then(
      () => true,
      () => false,
    );
    if (isDone) break;
    await judged(to, readings.slice(-5));
  }
  const store = new DirectoryStore(to);
  await verifyRepository(store);
  expect((await openRepository(store)).description.id).toBe(world.repository.description.id);
});
