/**
 * Reads a repository as a person without Thinkback would: with zstd, jq, sort and sha256sum, following docs/format.md.
 * Nothing of src/ is used for reading. Where a tool is missing the tests fail: the promise would be untested.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRepository } from "../../src/repository/repository.js";
import { textOfJson } from "../../src/server-text.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { maintain } from "../../src/upkeep/maintain.js";
import { patient } from "./month.js";
import { makeRepository, StillClock } from "./recording.js";
import { orders, posts, record, type Scenario } from "./scenario.js";

const run = promisify(execFile);

const strict = ["-euo", "pipefail"];

async function bash(script: string, ...args: string[]): Promise<string> {
  return runBash([...strict, "-c", script, "bash", ...args]);
}

async function runBash(args: string[]): Promise<string> {
  const options = {
    cwd: directory,
    maxBuffer: 64 * 1024 * 1024,
    encoding: "buffer" as const,
    env: { ...process.env, LC_ALL: "C" },
  };
  const { stdout } = await run("bash", args, options);
  return textOfJson(stdout);
}

let directory: string;
let scenario: Scenario;

beforeAll(async () => {
  for (const tool of ["bash", "zstd", "jq", "sort", "sha256sum"]) {
    await run(tool, ["--version"]).catch((error: unknown) => {
      throw new Error(`this test needs ${tool}: install it (apt-get install zstd jq coreutils)`, {
        cause: error,
      });
    });
  }
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  scenario = await record(await makeRepository(new DirectoryStore(directory)));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** The commands of a block of the page, which is the only one with `marker` in it. */
async function blockWith(marker: string): Promise<string> {
  const page = await readFile(new URL("../../docs/format.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!);
  const found = blocks.filter((block) => block.includes(marker));
  expect(found, marker).toHaveLength(1);
  return found[0]!;
}

/** The documents that the page's own commands give. */
async function documentsByHand(name: string, instant: number): Promise<string[]> {
  const block = await blockWith("../documents.ndjson");
  const script = block
    .replace("name=shop.orders", `name=${name}`)
    .replace(/at=\S+/, `at=${new Date(instant).toISOString()}`)
    .replace("../documents.ndjson", '"$0"');
  expect(script).not.toContain("2026-11-21T04:02:47");
  const into = join(directory, "documents.ndjson");
  // As in somebody's shell, which goes on where a command fails.
  const text = await runBash(["-c", `${script}cat "$0"; rm "$0"`, into]);
  return text.split("\n").slice(0, -1);
}

const sorted = (documents: string[]) =>
  documents
    .map((text) => JSON.parse(text) as { id: unknown })
    .sort((a, b) => (JSON.stringify(a.id) < JSON.stringify(b.id) ? -1 : 1));

describe("by hand", () => {
  const checkDocuments = async () => {
    const { history, instants } = scenario;
    // The second table had another name at first.
    const renamed = (at: number) => (at > instants.changed - 1000 ? "shop.articles" : "shop.posts");
    for (const instant of [...Object.values(instants), instants.changed - 500]) {
      for (const [table, name] of [
        [orders, "shop.orders"],
        [posts, renamed(instant)],
      ] as const) {
        const expected = history.at(table, instant);
        expect(expected.length).toBeGreaterThan(0);
        const lines = await documentsByHand(name, instant);
        expect(sorted(lines), `${name} at ${instant}`).toEqual(sorted(expected));
      }
    }
  };

  test("the documents at an instant are those that were recorded", checkDocuments, 60_000);

  test("the checksum of a JSON object is that of all but its last 80 bytes", async () => {
    const names = (await bash("find . -name '*.json' | sort")).trim().split("\n");
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) {
      const sum = (await bash('head -c -80 "$1" | sha256sum | cut -d " " -f 1', name)).trim();
      const said = (await bash('jq -r .checksum "$1"', name)).trim();
      expect(said, name).toBe(sum);
      expect(await bash('head -c 13 "$1"', name)).toBe('{"thinkback":');
    }
  });

  test("zstd itself checks every data object, and prints only whole lines of JSON", async () => {
    await bash("find . -name '*.zst' -exec zstd -qt {} +");
    const types = await bash("find . -name '*.zst' -exec zstd -qdc {} + | jq -r type | sort -u");
    expect(types.trim()).toBe("object");
  });

  test("each segment names the checksum of the one before, which is in that one's trailer", async () => {
    // The trailer is the last 48 bytes; bytes 8 to 40 of it the checksum, its first 4 the length of the index.
    const trailer = 'tail -c 48 "$1" | tail -c +9 | head -c 32 | od -A n -v -t x1 | tr -d " \\n"';
    const index = `
      length=$(tail -c 48 "$1" | head -c 4 | od -A n -t u4 | tr -d ' ')
      tail -c $((length + 48)) "$1" | head -c $length`;
    const names = (await bash("ls log/*/*.zst")).trim().split("\n");
    let previous: { name: string; checksum: string } | null = null;
    for (const name of names) {
      const footer = JSON.parse(
        await bash(`{ ${index}; } | jq -c .footer.previous`, name),
      ) as unknown;
      expect(footer, name).toEqual(previous);
      previous = { name, checksum: await bash(trailer, name) };
      // The trailer's checksum is that of the skippable frame's header, the index, and the trailer's first 8 bytes.
      const sum = `
        length=$(tail -c 48 "$1" | head -c 4 | od -A n -t u4 | tr -d ' ')
        tail -c $((length + 56)) "$1" | head -c $((length + 16)) | sha256sum | cut -d ' ' -f 1`;
      expect((await bash(sum, name)).trim(), name).toBe(previous.checksum);
    }
    expect(names.length).toBeGreaterThan(5);
  });

  test("the checksum of each frame is that of its bytes", async () => {
    const name = (await bash("ls bases/*/*/part-000000.zst | head -n 1")).trim();
    const bytes = await readFile(join(directory, name));
    const frames = JSON.parse(
      await bash(
        `length=$(tail -c 48 "$1" | head -c 4 | od -A n -t u4 | tr -d ' ')
         tail -c $((length + 48)) "$1" | head -c $length | jq -c .frames`,
        name,
      ),
    ) as { offset: number; length: number; checksum: string }[];
    expect(frames.length).toBeGreaterThan(0);
    for (const { offset, length, checksum } of frames) {
      expect(bytes.length).toBeGreaterThan(offset + length);
      const sum = await bash(
        'tail -c +$(($2 + 1)) "$1" | head -c $3 | sha256sum | cut -d " " -f 1',
        name,
        String(offset),
        String(length),
      );
      expect(sum.trim()).toBe(checksum);
    }
  });

  test("so they are after the log was folded, and what was folded deleted", async () => {
    const before = (await bash("ls log/*/*.zst")).trim().split("\n").length;
    await maintainAll();
    expect((await bash("ls log/*/*.zst")).trim().split("\n").length).toBeLessThan(before / 2);
    await checkDocuments();
  }, 60_000);

  test("so they are of a lane, in its own directory", async () => {
    const whole = directory;
    directory = join(await mkdtemp(join(tmpdir(), "thinkback-test-")), "lanes", "1");
    try {
      await mkdir(join(directory, ".."));
      await rename(whole, directory);
      await checkDocuments();
    } finally {
      await rename(directory, whole);
    }
  }, 60_000);
});

/** Folds everything that can be folded, and deletes what that replaces. */
async function maintainAll(): Promise<void> {
  const repository = await openRepository(new DirectoryStore(directory));
  const clock = new StillClock(scenario.instants.last + 3_600_000);
  for (const unique of ["one", "two"]) {
    await maintain(
      repository,
      {
        clock: patient(clock),
        owner: { host: "test", process: 2, isAlive: () => false },
        unique,
        partial: true,
        settleMs: 0,
        expires: true,
        graceMs: 0,
      },
      { onRows: () => undefined, phase: () => undefined },
    );
  }
}
