/** How far copies are behind the first one, and that nobody guesses it where that one is away. */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copiesStatus } from "../../src/cli/copies-status.js";
import { repositoryName, segmentName } from "../../src/format/names.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";

let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-lag-"));
  for (const [place, segments] of Object.entries({ first: 5, second: 3, third: 1, empty: 0 })) {
    const store = new DirectoryStore(at(place));
    for (let i = 1; i <= segments; i += 1) {
      await store.put(segmentName(1, 1000 * i, 1000 * i + 999, i), Buffer.from("x"));
    }
    if (segments > 0) await store.put(repositoryName, Buffer.from("{}"));
  }
  await symlink(at("unmounted"), at("link"));
});

afterAll(() => rm(directory, { recursive: true }));

test("copies are behind by what the first one has", async () => {
  const { result, text } = await copiesStatus([at("first"), at("second"), at("empty")]);
  expect(result).toMatchObject([
    { behindMs: 0, missing: { objects: 0 } },
    { behindMs: 2000, missing: { objects: 2, bytes: 2 } },
    { behindMs: null, missing: { objects: 6 } },
  ]);
  expect(text).not.toContain("unknown");
  expect(text).toMatch(/empty +\S+ +all +6 objects/);
});

test.each(["empty", "link"])("where the first one is away (%s), that is unknown", async (away) => {
  const { result, text } = await copiesStatus([at(away), at("second"), at("third")]);
  expect(result.slice(1)).toMatchObject([
    { behindMs: null, missing: null, logTo: expect.any(String) as string, stored: { objects: 4 } },
    { behindMs: null, missing: null, logTo: expect.any(String) as string, stored: { objects: 2 } },
  ]);
  expect(text).toMatch(/second +\S+ +unknown +unknown +4 objects/);
  if (away === "link")
    expect(result[0]).toEqual({ location: at(away), error: expect.any(String) as string });
});
