/** Parts of the documents that are made of the code. They stand between two comments, which name them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../src/clock.js";
import { isNegated, nameOf, type OptionRow } from "../../src/configuration/option.js";
import { configurable, options } from "../../src/configuration/options.js";
import { Facts } from "../../src/health/facts.js";
import { Metrics } from "../../src/health/metrics.js";
import { policies } from "./policies.js";

const docs = join(import.meta.dirname, "../../docs");

/** The text of each part, by its name. */
const parts: Record<string, (page: string) => string> = {
  options: optionsTable,
  "options of one command": oneTimeTable,
  policies,
  metrics: metricsTable,
};

/** The pages that have such parts. */
export const pages = ["configuration.md", "monitoring.md", "permissions.md"];

export function readPage(page: string): Promise<string> {
  return readFile(join(docs, page), "utf8");
}

/** The page with each part as the code has it now. Throws for a part that nobody makes. */
export function withParts(text: string): string {
  return text.replaceAll(
    /(<!-- generated: (.+?) -->\n)[^]*?(<!-- end -->)/g,
    (_, begin: string, name: string, end: string) => {
      const make = parts[name];
      if (!make) throw new Error(`no part is called ${name}`);
      return `${begin}\n${make(text)}\n\n${end}`;
    },
  );
}

export async function writePages(): Promise<void> {
  for (const page of pages) await writeFile(join(docs, page), withParts(await readPage(page)));
}

export function markdownTable(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((one) => one.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

const code = (text: string | undefined) => (text === undefined ? "" : `\`${text}\``);

function typeText(row: OptionRow): string {
  const one =
    row.choices?.join(", ") ?? { tiers: "text", text: "text" }[row.type as string] ?? row.type;
  return row.list ? `${one}, or a list` : one;
}

function commandsText(rows: OptionRow[]): string {
  const names = rows.flatMap(({ commands }) => commands);
  if (names.includes("all")) return "every command";
  return names.length > 5 ? "every command with a repository" : names.join(", ");
}

function optionsTable(): string {
  const byKey = new Map<string, OptionRow[]>();
  for (const row of configurable) byKey.set(row.key!, [...(byKey.get(row.key!) ?? []), row]);
  const rows = [...byKey].map(([key, same]) => {
    const [row] = same;
    return [
      code(key),
      code(row!.flag && nameOf(row!)),
      code(row!.variable),
      typeText(row!),
      code(row!.default),
      commandsText(same),
      (isNegated(row!) ? "`false`: " : "") + same.map(({ description }) => description).join("; "),
    ];
  });
  return markdownTable(
    ["key", "option", "variable", "type", "default", "commands", "meaning"],
    rows,
  );
}

/** The metrics of a process, in the order in which it tells them. */
function metricsTable(): string {
  const facts = new Facts(systemClock);
  const { families } = new Metrics({ facts, clock: systemClock, version: "", isFirst: () => true });
  const rows = families.map(({ name, type, help }) => [code(name), type, help]);
  return markdownTable(["metric", "type", "what it tells"], rows);
}

function oneTimeTable(): string {
  const rows = options
    .filter(({ key }) => key === undefined)
    .map((row) => [code(row.flag), code(row.variable), commandsText([row]), row.description]);
  return markdownTable(["option", "variable", "commands", "meaning"], rows);
}
