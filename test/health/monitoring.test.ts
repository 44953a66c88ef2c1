/** The dashboard and the rules of docs/monitoring/: their form; promtool judges the rules where it is installed. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { dashboard, expressions, folder, namesIn, rules } from "./monitoring.js";
import { hasPromtool } from "./promtool.js";

const page = await readFile(join(folder, "../monitoring.md"), "utf8");
const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
  text!
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-"),
);

test("each alert waits before it fires, says how bad it is, and leads to what to do", () => {
  expect(rules.length).toBeGreaterThan(10);
  for (const { alert, labels, annotations, for: slack } of rules) {
    expect(alert).toMatch(/^Thinkback([A-Z][a-z]+)+$/);
    expect(slack).toMatch(/^\d+[mhd]$/);
    expect(["critical", "warning"]).toContain(labels.severity);
    expect(annotations.summary).not.toBe("");
    expect(annotations.description).not.toBe("");
    const [file, anchor] = annotations.runbook_url.split("#");
    expect([alert, file, anchor]).toEqual([alert, "docs/monitoring.md", alert.toLowerCase()]);
    expect(headings).toContain(anchor);
  }
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
});

test("each expression asks for a metric, and each panel has a place of its own", () => {
  for (const expr of expressions) expect([expr, namesIn(expr).length > 0]).toEqual([expr, true]);
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const [i, { gridPos: a }] of panels.entries()) {
    expect(a.x + a.w).toBeLessThanOrEqual(24);
    for (const { gridPos: b } of panels.slice(i + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      expect([a, b, apart]).toEqual([a, b, true]);
    }
  }
});

test.skipIf(!hasPromtool)(
  "promtool finds the rules right, and they fire when they should",
  async () => {
    const promtool = promisify(execFile);
    const checked = await promtool("promtool", ["check", "rules", "rules.yml"], { cwd: folder });
    expect(checked.stdout).toContain(`${rules.length} rules found`);
    const tested = await promtool("promtool", ["test", "rules", "rules-test.yml"], { cwd: folder });
    expect(tested.stdout).toContain("SUCCESS");
  },
);
