/**
 * Which value of an option counts: that of the command line, else that of the environment, else that of the file, else
 * the default.
 */
import { ThinkbackError } from "../errors.js";
import { similar } from "../similar.js";
import type { ConfigurationFile, Finding } from "./file.js";
import { attributeOf, isSecret, longOf, nameOf, type OptionRow } from "./option.js";
import { options } from "./options.js";
import { isPlace, valueOf, wrongIn } from "./values.js";

export type Environment = Readonly<Record<string, string | undefined>>;
export type Origin = "command line" | "environment" | "file" | "default";
export type Value = string | string[] | boolean | undefined;

/** The value of one option, and who gave it. */
export interface Setting {
  row: OptionRow;
  value: Value;
  origin: Origin;
  /** For messages: `--tick`, `THINKBACK_TICK`, `capture.tick in /etc/thinkback/thinkback.yaml:3`, or `default`. */
  where: string;
}

export interface Settings {
  /** By the name that the value has in the arguments of a command. */
  byAttribute: Map<string, Setting>;
  findings: Finding[];
}

/**
 * The settings of the rows.
 * @param given values of the command line, by attribute
 */
export function settingsOf(
  rows: readonly OptionRow[],
  given: ReadonlyMap<string, Value>,
  environment: Environment,
  file: ConfigurationFile | undefined,
): Settings {
  const findings: Finding[] = [];
  const all = rows.map((row): Setting[] => {
    const attribute = attributeOf(row);
    const where = nameOf(row);
    return [
      ...(given.has(attribute)
        ? [{ row, value: given.get(attribute), origin: "command line" as const, where }]
        : []),
      ...fromEnvironment(row, environment, findings),
      ...fromFile(row, file, findings),
    ];
  });
  const strongest = all.flatMap((candidates) => candidates.slice(0, 1));
  const lost = new Set<Setting>();
  for (const one of strongest) for (const other of strongest) judge(one, other, lost, findings);
  const byAttribute = new Map<string, Setting>();
  for (const [i, row] of rows.entries()) {
    const [first] = all[i]!;
    const isTaken = first !== undefined && !lost.has(first);
    byAttribute.set(attributeOf(row), isTaken ? first : defaultOf(row));
  }
  return { byAttribute, findings };
}

const strength: Record<Origin, number> = {
  "command line": 3,
  environment: 2,
  file: 1,
  default: 0,
};

/** Two that say the same in different ways: the stronger place counts, and one place may give only one of them. */
function judge(one: Setting, other: Setting, lost: Set<Setting>, findings: Finding[]): void {
  if (one === other || one.row.oneOf === undefined || one.row.oneOf !== other.row.oneOf) return;
  if (strength[one.origin] < strength[other.origin]) lost.add(one);
  const isFirst = options.indexOf(one.row) < options.indexOf(other.row);
  if (one.origin !== other.origin || !isFirst) return;
  findings.push({
    isError: true,
    where: one.where,
    message: `${one.where} and ${other.where} both give the ${one.row.oneOf}`,
    hint: "leave one of the two out",
  });
}

function defaultOf(row: OptionRow): Setting {
  const value = row.list ? [] : row.default === undefined ? undefined : valueOf(row, row.default);
  return { row, value, origin: "default", where: "default" };
}

/** An empty variable counts as one that is not set: so services set what they were not told. */
function fromEnvironment(row: OptionRow, environment: Environment, findings: Finding[]): Setting[] {
  const { variable } = row;
  const text = variable === undefined ? undefined : environment[variable];
  const texts = isSecret(row) ? [text] : wordsOf(row, text ?? "");
  return checked(
    row,
    texts.filter((one) => one),
    "environment",
    variable!,
    findings,
  );
}

/** The values in a variable. Paths may have blanks in them, so several stand on lines of their own. */
function wordsOf(row: OptionRow, text: string): string[] {
  if (isPlace(row)) return text.split("\n").map((line) => line.trim());
  return row.list ? text.split(/\s+/) : [text.trim()];
}

function fromFile(
  row: OptionRow,
  file: ConfigurationFile | undefined,
  findings: Finding[],
): Setting[] {
  const found = row.key === undefined ? undefined : file?.values.get(row.key);
  if (!found) return [];
  return checked(row, found.texts, "file", found.where, findings);
}

function checked(
  row: OptionRow,
  texts: (string | undefined)[],
  origin: Origin,
  where: string,
  findings: Finding[],
): Setting[] {
  const given = texts.filter((text) => text !== undefined);
  if (given.length === 0) return [];
  for (const text of given) {
    const wrong = wrongIn(row, text);
    if (!wrong) continue;
    findings.push({ isError: true, where, message: wrong.message, hint: wrong.hint });
    return [];
  }
  if (row.list) return [{ row, value: given, origin, where }];
  // Of a repository and its copies, a command that takes one place only takes the repository.
  return [{ row, value: valueOf(row, given[0]!), origin, where }];
}

/** What opens key files that a passphrase protects. It is no option: it has no place on a command line or in a file. */
export const passphraseVariable = "THINKBACK_PASSPHRASE";

/** Variables that begin as Thinkback's do, but are none of them: likely misspelt. */
export function unknownVariables(environment: Environment): Finding[] {
  const known = new Set([...options.flatMap(({ variable }) => variable ?? []), passphraseVariable]);
  return Object.keys(environment)
    .filter((name) => /^THINKBACK_/i.test(name) && !known.has(name))
    .map((name) => {
      const near = similar(name, known);
      return {
        isError: false,
        where: name,
        message: "no option has this variable",
        hint:
          near === undefined
            ? "unset it, if it is not for something else"
            : `did you mean ${near}?`,
      };
    });
}

/** Throws the first error of some findings, if there is one. */
export function refuseErrors(findings: readonly Finding[]): void {
  const errors = findings.filter(({ isError }) => isError);
  const [first] = errors;
  if (!first) return;
  const more =
    errors.length > 1 ? `; \`thinkback config check\` lists ${errors.length} errors` : "";
  throw new ThinkbackError("usage", textOf(first), { hint: `${first.hint}${more}` });
}

/** A finding in one line, without what helps. */
export function textOf({ where, message }: Finding): string {
  return message.startsWith(where) ? message : `${where}: ${message}`;
}

/** True if the option has an effect: a value, or the turn of a switch. */
export function isSet({ row, value }: Setting): boolean {
  if (longOf(row)?.startsWith("--no-")) return value === false;
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}
