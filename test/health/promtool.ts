/** The tool of Prometheus that judges rules and metrics. Debian has it in its package prometheus, of 20 MB. */
import { spawnSync } from "node:child_process";

export const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
if (!hasPromtool) console.log("promtool is not installed: what it would judge is skipped");

/** What it finds wrong with metrics in the text format; "" for nothing. */
export function lintOf(text: string): string {
  const { stdout, stderr, status } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  return status === 0 ? "" : `${stdout}${stderr}`;
}
