/**
 * The configuration file: where it is, and what is in it. What it says is checked by a schema that is made of the table
 * of options. Messages never hold a value of a password or an address, nor text of the file where it cannot be parsed,
 * because that may be part of one.
 */
import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import * as v from "valibot";
import { type Document, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from "yaml";
import { messageOf, ThinkbackError } from "../errors.js";
import { similar } from "../similar.js";
import { hasPassword } from "./addresses.js";
import { isSecret, mayHoldPassword, type OptionRow } from "./option.js";
import { configurable } from "./options.js";
import { wrongIn } from "./values.js";

/** What somebody should know of the configuration. */
export interface Finding {
  isError: boolean;
  /** Where it stands: `/etc/thinkback/thinkback.yaml:3`, or a variable. */
  where: string;
  message: string;
  hint: string;
}

/** A value of the file: texts, one of them unless the option is a list. */
export interface FileValue {
  texts: string[];
  /** `capture.tick in /etc/thinkback/thinkback.yaml:3` */
  where: string;
}

export interface ConfigurationFile {
  path: string;
  /** By the key of the option. Only what has no error. */
  values: Map<string, FileValue>;
  findings: Finding[];
}

export const fileName = "thinkback.yaml";
/** Where a file is looked for that no option and no variable names. */
export const placesOf = (directory: string) => [
  resolve(directory, fileName),
  `/etc/thinkback/${fileName}`,
];

/**
 * Reads the file at `given`, or else the first one of the usual places; undefined if there is none.
 * @throws {ThinkbackError} `usage` if the file that is named, or the one that is there, cannot be read
 */
export async function readConfiguration(
  given: string | undefined,
  directory: string,
): Promise<ConfigurationFile | undefined> {
  const places = given === undefined ? placesOf(directory) : [resolve(directory, given)];
  for (const path of places) {
    try {
      const [text, { mode }] = [await readFile(path, "utf8"), await stat(path)];
      return parseConfiguration(path, text, mode);
    } catch (error) {
      const isAbsent = ["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
      if (isAbsent && given === undefined) continue;
      throw new ThinkbackError(
        "usage",
        `cannot read the configuration file ${path}: ${messageOf(error)}`,
        {
          hint: "check that --config or THINKBACK_CONFIG names a file, and that this user may read it",
          cause: error,
        },
      );
    }
  }
  return undefined;
}

/** @param mode the permissions of the file, as `stat` gives them */
export function parseConfiguration(path: string, text: string, mode = 0o600): ConfigurationFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const file: ConfigurationFile = { path, values: new Map(), findings: [] };
  const lineAt = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const refuse = (where: string, message: string, hint: string) =>
    file.findings.push({ isError: true, where, message, hint });
  for (const { code, pos } of [...document.errors, ...document.warnings]) {
    refuse(lineAt(pos[0]), `this is not YAML (${code})`, unreadableHints[code] ?? unreadableHint);
  }
  if (file.findings.length > 0) return file;
  const content: unknown = contentOf(document, refuse, path);
  if (content === undefined) return file;
  const { issues = [] } = v.safeParse(schema, content);
  const wrong = new Set<string>();
  for (const issue of issues) {
    const keys = (issue.path ?? []).map(({ key }) => String(key));
    const item = innermost(issue).path?.at(-1)?.key;
    const at = typeof item === "number" ? [...keys, String(item)] : keys;
    const where = lineAt(offsetOf(document, at));
    const { message, hint } = judged(issue, keys);
    wrong.add(keyOf(keys)?.key ?? "");
    refuse(where, message, hint);
  }
  for (const row of rows.values()) {
    const keys = row.key!.split(".");
    const value = keys.reduce<unknown>((of, key) => (isRecord(of) ? of[key] : undefined), content);
    if (value === undefined || wrong.has(row.key!)) continue;
    const where = `${row.key} in ${lineAt(offsetOf(document, keys))}`;
    file.values.set(row.key!, { texts: [value].flat().map(String), where });
  }
  warnOfReaders(file, mode);
  return file;
}

const unreadableHint = "indent with blanks, and put values with special characters into quotes";
const unreadableHints: Record<string, string> = {
  DUPLICATE_KEY: "the key on this line is there twice: leave one of the two out",
  MULTIPLE_DOCS: "a configuration is one document: leave out the line ---",
  BAD_ALIAS: "a value that begins with * must be in quotes",
  TAG_RESOLVE_FAILED: "a value that begins with ! must be in quotes",
  TAB_AS_INDENT: "indent with blanks, not with tabs",
};

/** The document as plain values; undefined if it is empty, or refused. */
function contentOf(
  document: Document,
  refuse: (where: string, message: string, hint: string) => void,
  path: string,
): unknown {
  // A password of digits keeps its zeros, and none is rounded: what counts is what was written.
  visit(document, {
    Scalar: (key, node) => {
      if (key !== "key" && node.value !== null) node.value = node.source ?? node.value;
    },
  });
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? undefined;
  } catch {
    // What the parser says may hold a part of the text.
    refuse(path, "its aliases cannot be followed", "write the values out, without * and &");
    return undefined;
  }
}

const rows = new Map(configurable.map((row) => [row.key!, row]));

/** Names of the sections, and of the keys that stand in none. */
const sections = new Set([...rows.keys()].map((key) => key.split(".")[0]!));

function valueSchema(row: OptionRow): v.GenericSchema {
  const one = v.pipe(
    v.custom<string>((value) => typeof value === "string", "one"),
    v.custom<string>((value) => wrongIn(row, value as string) === undefined, "value"),
  );
  const isList = row.list === true || row.type === "location";
  return v.optional(isList ? v.union([v.array(one), one], "list") : one);
}

const sectionOf = (entries: Record<string, v.GenericSchema>) =>
  v.pipe(v.custom<Record<string, unknown>>(isRecord), v.strictObject(entries));

/** Of sections with their keys, and nothing else. */
const schema = (() => {
  const entries: Record<string, v.GenericSchema> = {};
  for (const section of sections) {
    const own = [...rows.values()].filter(({ key }) => key!.startsWith(`${section}.`));
    const keys = own.map((row) => [row.key!.slice(section.length + 1), valueSchema(row)] as const);
    const row = rows.get(section);
    entries[section] = row ? valueSchema(row) : v.nullish(sectionOf(Object.fromEntries(keys)));
  }
  return sectionOf(entries);
})();

/** The row of the longest part of a path that is a key. */
function keyOf(keys: string[]): OptionRow | undefined {
  return rows.get(keys[0] ?? "") ?? rows.get(keys.slice(0, 2).join("."));
}

/** What a finding of the schema means, and what helps. */
function judged(issue: v.BaseIssue<unknown>, keys: string[]): { message: string; hint: string } {
  const path = keys.join(".");
  const row = keyOf(keys);
  if (row) return wrongValue(row, issue);
  if (issue.type === "strict_object" && issue.expected === "never") return unknownKey(keys);
  if (path === "") {
    return {
      message: "the file holds no keys",
      hint: `begin with a line such as repo: /srv/backup; the sections are ${[...sections].join(", ")}`,
    };
  }
  const own = [...rows.keys()].filter((key) => key.startsWith(`${path}.`));
  return {
    message: `${path} is a section, and has no value of its own`,
    hint: `give its keys on lines of their own below it: ${own.join(", ")}`,
  };
}

/** Of a list, what is said of the first value that is wrong. */
function innermost(issue: v.BaseIssue<unknown>): v.BaseIssue<unknown> {
  return issue.issues?.find(({ path }) => path !== undefined) ?? issue.issues?.[0] ?? issue;
}

function wrongValue(
  row: OptionRow,
  issue: v.BaseIssue<unknown>,
): { message: string; hint: string } {
  const value = innermost(issue).input;
  if (value === null) {
    return {
      message: `${row.key} has no value`,
      hint: "write it behind the key, or leave the key out",
    };
  }
  if (isRecord(value) || Array.isArray(value)) {
    const form = row.list ? "a value or a list of values" : "one value";
    return { message: `${row.key} takes ${form}`, hint: "write it on the line of its key" };
  }
  const { message, hint } = wrongIn(row, value as string)!;
  return { message: `${row.key}: ${message}`, hint };
}

function unknownKey(keys: string[]): { message: string; hint: string } {
  const path = keys.join(".");
  const known = [...rows.keys()];
  const [section, name] = keys;
  const own = known.filter((key) => key.startsWith(`${section}.`));
  const near =
    name === undefined
      ? (similar(path, sections) ?? lastNamed(path, known))
      : (similar(path, own) ?? lastNamed(name, known));
  const others = own.length > 0 ? `the keys of ${section} are ${own.join(", ")}` : undefined;
  const all = `the sections are ${[...sections].join(", ")}`;
  return {
    message: `${path} is not a key of the configuration`,
    hint: near === undefined ? (others ?? all) : `did you mean ${near}?`,
  };
}

/** The key whose last word is like `name`, for one that stands in the wrong section. */
function lastNamed(name: string, known: string[]): string | undefined {
  const byLast = new Map(known.map((key) => [key.split(".").at(-1)!, key]));
  const near = similar(name, byLast.keys());
  return near === undefined ? undefined : byLast.get(near);
}

/** Where the key at a path stands in the text; for an item of a list where the item stands. */
function offsetOf(document: Document, keys: string[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of keys) {
    if (isMap(node)) {
      const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === key);
      offset = (pair?.key as Node | undefined)?.range?.[0] ?? offset;
      node = pair?.value;
    } else {
      node = document.getIn(keys.slice(0, keys.indexOf(key) + 1), true);
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    }
  }
  return offset;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A file that holds a password should be read by its owner alone. */
function warnOfReaders(file: ConfigurationFile, mode: number): void {
  if ((mode & 0o044) === 0) return;
  const secrets = [...file.values].filter(([key, { texts }]) => {
    const row = rows.get(key)!;
    return isSecret(row) || (mayHoldPassword(row) && texts.some(hasPassword));
  });
  if (secrets.length === 0) return;
  file.findings.push({
    isError: false,
    where: file.path,
    message: `other users may read the secret in ${secrets.map(([key]) => key).join(", ")}`,
    hint: `chmod 600 ${file.path}, or keep the secret in a file of its own (source.password_file)`,
  });
}
