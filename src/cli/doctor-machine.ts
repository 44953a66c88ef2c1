import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { messageOf } from "../errors.js";
import type { Finding } from "./doctor-finding.js";
import { formatBytes } from "./output.js";

/** The oldest Node.js that works, as package.json says. */
const nodeMin = [20, 19] as const;
/** Less room fails, because a restore or a fold sorts there; less than the second is worth a word. */
const roomBytesMin = 64 * 2 ** 20;
const roomBytesNoted = 2 ** 30;

/** What this machine has: Node.js, the native part, and room. */
export async function checkMachine({ spool }: { spool?: string }): Promise<Finding[]> {
  const rooms = [{ check: "room in TMPDIR", path: tmpdir() }];
  if (spool !== undefined) rooms.push({ check: "room in the spool", path: spool });
  return [
    checkNode(process.versions.node),
    await checkZstd(),
    ...(await Promise.all(rooms.map(checkRoom))),
  ];
}

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNew = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  const found = { of: "machine", check: "Node.js", text: version } as const;
  if (isNew) return { ...found, outcome: "passed" };
  return { ...found, outcome: "failed", hint: `use Node.js ${nodeMin.join(".")} or later` };
}

async function checkZstd(): Promise<Finding> {
  const found = { of: "machine", check: "zstd" } as const;
  try {
    // Loaded here, because this command has to run without it too.
    const { compress, decompress } = await import("zstd-napi");
    const bytes = Buffer.from("as it was");
    const isSame = decompress(compress(bytes)).equals(bytes);
    if (!isSame) throw new Error("it does not give back what it was given");
    return { ...found, outcome: "passed", text: "the native part works" };
  } catch (error) {
    const hint =
      "allow the install script that builds it: `npm rebuild zstd-napi`, see Install in docs/operations.md";
    return { ...found, outcome: "failed", text: messageOf(error).split("\n")[0]!, hint };
  }
}

async function checkRoom({ check, path }: { check: string; path: string }): Promise<Finding> {
  const found = { of: "machine", check } as const;
  try {
    const { bavail, bsize } = await statfs(path);
    return { ...found, ...roomOf(bavail * bsize, path) };
  } catch (error) {
    return {
      ...found,
      outcome: "failed",
      text: messageOf(error),
      hint: `make the directory ${path}`,
    };
  }
}

export function roomOf(bytes: number, path: string): Pick<Finding, "outcome" | "text" | "hint"> {
  const text = `${formatBytes(bytes)} are free in ${path}`;
  if (bytes >= roomBytesNoted) return { outcome: "passed", text };
  return {
    outcome: bytes < roomBytesMin ? "failed" : "noted",
    text,
    hint: `make room there, or give another directory: a restore or a fold may need as much as the log of a day`,
  };
}
