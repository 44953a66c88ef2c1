/**
 * Reads a repository as a person without Thinkback would: with zstd, jq, sort and sha256sum, following docs/format.md.
 * Nothing of src/ is used for reading. Where a tool is missing the tests fail: the promise would be untested.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { textOfJson } from "../../src/server-text.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository } from "./recording.js";
import { orders, posts, record, type Scenario } from "./scenario.js";

const run = promisify(execFile);

async function bash(script: string, ...args: string[]): Promise<string> {
  const options = {
    cwd: directory,
    maxBuffer: 64 * 1024 * 1024,
    encoding: "buffer" as const,
    env: { ...process.env, LC_ALL: "C" },
  };
  const { stdout } = await run(
    "bash",
    ["-euo", "pipefail", "-c", script, "bash", ...args],
    options,
  );
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

/**
 * The documents of a table at an instant:
 * the newest base at or before it, and the log from there on; of each key the last line, by time and sequence.
 * jq takes UTF-8 only: surrogates go through it as characters that nobody uses.
 */
const restoreByHand = `
table=$1 at=$2
forJq() { LC_ALL=C sed 's/\\xed\\([\\xa0-\\xbf]\\)/\\xf4\\x8f\\1/g'; }
fromJq() { LC_ALL=C sed 's/\\xf4\\x8f\\([\\xa0-\\xbf]\\)/\\xed\\1/g'; }
manifest=$(ls bases/$table/*/manifest.json | while read -r name; do
  jq -r --argjson at $at 'select(.instant <= $at) | "\\(.instant) \\(input_filename)"' "$name"
done | sort -n | tail -n 1 | cut -d ' ' -f 2)
{
  jq -r '.parts[].name' "$manifest" | while read -r part; do zstd -qdc "$part"; done | forJq
  logFrom=$(jq .logFrom "$manifest")
  for segment in log/*/*.zst; do zstd -qdc "$segment"; done | forJq |
    jq -c --arg table $table --argjson from $logFrom 'select(.u == $table and .t > $from)'
} |
  jq -r --argjson at $at 'select(.t <= $at) | "\\(.k | tojson)\\t\\(.t)\\t\\(.n)\\t\\(.d | tojson)"' |
  sort -t $'\\t' -k 1,1 -k 2,2nr -k 3,3nr |
  sort -t $'\\t' -s -u -k 1,1 |
  jq -R -c 'split("\\t")[3:] | join("\\t") | fromjson | select(. != null)' | fromJq
`;

const sorted = (documents: string[]) =>
  documents
    .map((text) => JSON.parse(text) as { id: unknown })
    .sort((a, b) => (JSON.stringify(a.id) < JSON.stringify(b.id) ? -1 : 1));

describe("by hand", () => {
  test("the documents at an instant are those that were recorded", async () => {
    const { history, instants } = scenario;
    for (const table of [orders, posts]) {
      for (const instant of [...Object.values(instants), instants.changed - 500]) {
        const lines = (await bash(restoreByHand, table, String(instant))).split("\n").slice(0, -1);
        const expected = history.at(table, instant);
        expect(expected.length).toBeGreaterThan(0);
        expect(sorted(lines), `${table} at ${instant}`).toEqual(sorted(expected));
      }
    }
  });

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
});
