/**
 * What directories cost that once held bases and folded segments: commands on a repository of a week, as it is, and with
 * 100,000 such directories, empty, as an earlier Thinkback left them; and again once a sweep has been there.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { cli } from "../endtoend/cli.js";
import { agedRepository, agedTables } from "../repository/aged.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { inTurn, report } from "./report.js";

const emptyDirectories = 100_000;

export async function benchEmptied({ rounds, scratch }: Bench): Promise<void> {
  const kept = await agedAt(await scratchDirectory(scratch));
  const emptied = await agedAt(await scratchDirectory(scratch));
  await addEmpty(emptied);
  const looks = async (name: string) => {
    for (const command of [["status"], ["expire", "--dry-run"]]) {
      const [left, right] = await inTurn(rounds, [
        () => wallMs(command, kept),
        () => wallMs(command, emptied),
      ]);
      report(`\`thinkback ${command.join(" ")}\`, ${name}, ms of the whole process`, [
        ["as kept", left!],
        ["with what was emptied", right!],
      ]);
    }
  };
  await looks("before a sweep");
  report("`thinkback maintain`, the first, ms of the whole process", [
    ["as kept", [await wallMs(["maintain"], kept)]],
    ["with what was emptied", [await wallMs(["maintain"], emptied)]],
  ]);
  await looks("after it");
  report("`thinkback maintain`, the second, ms of the whole process", [
    ["as kept", [await wallMs(["maintain"], kept)]],
    ["with what was emptied", [await wallMs(["maintain"], emptied)]],
  ]);
}

async function agedAt(directory: string): Promise<string> {
  await agedRepository(7, new DirectoryStore(directory));
  return directory;
}

/** Nine of ten held a base, one a folded segment. */
async function addEmpty(directory: string): Promise<void> {
  for (let i = 0; i < emptyDirectories; i += 1) {
    const instant = String(1_795_000_000_000 + i).padStart(15, "0");
    const place =
      i % 10 === 0
        ? `folded/${instant}-${instant}-00000001-${i}-00000001-${i}-e${i}`
        : `bases/${agedTables[i % agedTables.length]}/${instant}-e${i}`;
    await mkdir(join(directory, place), { recursive: true });
  }
}

async function wallMs(command: string[], directory: string): Promise<number> {
  const began = performance.now();
  const { status, stderr } = await cli([...command, "--repo", directory]);
  if (status !== 0) throw new Error(stderr);
  return performance.now() - began;
}
