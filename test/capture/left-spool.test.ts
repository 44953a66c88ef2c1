import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deliverSpool } from "../../src/capture/left-spool.js";
import { directoryAt } from "../../src/storage/store-at.js";
import { patient } from "../repository/month.js";
import { makeRepository, StillClock } from "../repository/recording.js";

test("what a killed process was writing to the spool a day ago goes; of a minute ago, it stays", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const clock = patient(new StillClock());
  for (const [name, agoMs] of [
    [".tmp-old", 86_400_001],
    [".tmp-young", 60_000],
  ] as const) {
    await writeFile(join(directory, name), "half a segment");
    const seconds = (clock.now() - agoMs) / 1000;
    await utimes(join(directory, name), seconds, seconds);
  }
  const spool = { store: directoryAt("--spool", directory), bytesMax: 1 };
  const observer = { spoolDelivered: () => undefined, spoolDropped: () => undefined };
  await deliverSpool(await makeRepository(), spool, clock, observer);
  expect(await readdir(directory)).toEqual([".tmp-young"]);
  await rm(directory, { recursive: true });
});
