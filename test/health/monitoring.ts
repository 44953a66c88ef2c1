/** What docs/monitoring/ asks Prometheus for. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export const folder = join(import.meta.dirname, "../../docs/monitoring");

export interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

const read = (file: string) => readFileSync(join(folder, file), "utf8");

export const rules = (parse(read("rules.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

export const dashboard = JSON.parse(read("dashboard.json")) as {
  panels: Panel[];
  templating: { list: { query: string | { query: string } }[] };
};

/** Every expression of the rules and of the dashboard. */
export const expressions: string[] = [
  ...rules.map(({ expr }) => expr),
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.flatMap(({ query }) =>
    typeof query === "string" ? [] : query.query,
  ),
];

/** The names of metrics in an expression. */
export function namesIn(expression: string): string[] {
  return expression.match(/\b(?:thinkback|process)_[a-z_]+\b/g) ?? [];
}
