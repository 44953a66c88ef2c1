import { expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";

test("a store cannot be read as of the future", async () => {
  let stderr = "";
  const streams = {
    stdout: { write: () => undefined },
    stderr: { write: (text: string) => (stderr += text) },
  };
  const args = ["status", "--repo", "s3://bucket/place", "--store-as-of", "2100-01-01"];
  expect(await runCommandLine(args, streams)).toBe(2);
  expect(stderr).toMatch(/--store-as-of 2100-01-01 is in the future\n {2}→ /);
});
