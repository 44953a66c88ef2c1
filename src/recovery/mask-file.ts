/** The file that says which fields are masked, and how. docs/recovery.md has an example. */
import * as v from "valibot";
import { parse } from "yaml";
import { ThinkbackError } from "../errors.js";
import { durationMs } from "../instant.js";
import { fieldName } from "../json-bytes.js";
import { parsePath } from "./field-tree.js";

export type Rule =
  | { by: "drop" | "null" }
  | { by: "constant"; text: Buffer }
  /** As text of so many hexadecimal digits. */
  | { by: "hash"; digits: number | undefined }
  /** Never 0. With `perDocument` at least a day: up to so much in either direction, by the document's key. */
  | { by: "shift"; ms: number; perDocument: boolean };

export interface MaskFile {
  /** The file's name, for messages. */
  file: string;
  /** The key of hashes; undefined if no rule needs one. */
  key: Buffer | undefined;
  /** Rules by "db.table" and path. */
  tables: Record<string, Record<string, Rule>>;
}

/** Fewer digits collide too easily; SHA-256 has no more. */
const [digitsMin, digitsMax] = [8, 64];
/** At least so many bytes: a short key could be found by trying. */
const keyBytesMin = 16;
const dayMs = 86_400_000;

const rule = v.union([
  v.null(),
  v.picklist(["drop", "null", "hash"]),
  v.strictObject({ constant: v.union([v.string(), v.number(), v.boolean()]) }),
  v.strictObject({
    hash: v.pipe(v.number(), v.integer(), v.minValue(digitsMin), v.maxValue(digitsMax)),
  }),
  v.strictObject({
    shift: v.pipe(
      v.string(),
      v.check((text) => isShift(text)),
    ),
    per: v.exactOptional(v.literal("file")),
  }),
  v.strictObject({
    shift: v.pipe(
      v.string(),
      v.check((text) => isShift(text) && shiftMs(text) >= dayMs),
    ),
    per: v.literal("document"),
  }),
]);

const path = v.pipe(
  v.string(),
  v.check((text) => parsePath(text) !== undefined),
);
const table = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/));
const schema = v.strictObject({
  key: v.exactOptional(
    v.union([v.strictObject({ file: v.string() }), v.strictObject({ variable: v.string() })]),
  ),
  tables: v.record(table, v.record(path, rule)),
});

const hints: [RegExp, string][] = [
  [/^$/, "begin with tables:, and below it a line for each table, such as shop.customers:"],
  [/^key/, "give the key of hashes as key: {file: mask.key}, or key: {variable: MASK_KEY}"],
  [/^tables$/, "write below it a line for each table, such as shop.customers:"],
  [/^tables: [^:]*$/, "name the table db.table, and give a rule for each path, or {} for none"],
  [
    /^tables: [^:]*: /,
    "a path is fields with dots between them, a name that has a dot in quotes: '\"e.mail\".home'; the rules are drop, null, {constant: text}, hash, {hash: 8 to 64 digits}, {shift: 90d}, and {shift: 30d, per: document} of at least 1d",
  ],
];

/**
 * @param readKey gives the key that the file names: the text of a file, or of a variable of the environment
 * @throws {ThinkbackError} `usage`, with the path in the file, if it is not right
 */
export function parseMask(
  text: string,
  file: string,
  readKey: (source: { file: string } | { variable: string }) => string,
): MaskFile {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    const line = error instanceof Error ? error.message.split("\n")[0]! : String(error);
    throw new ThinkbackError("usage", `${file} is not YAML: ${line}`, { hint: hints[0]![1] });
  }
  const { success, output, issues } = v.safeParse(schema, content);
  if (!success) throw refused(file, issues[0]);
  const tables = Object.fromEntries(
    Object.entries(output.tables).map(([name, rules]) => [
      name,
      Object.fromEntries(Object.entries(rules).map(([of, one]) => [of, ruleOf(one)])),
    ]),
  );
  refuseOverlaps(file, tables);
  const key = output.key && keyIn(file, readKey(output.key));
  if (!key) refuseWithoutKey(file, tables);
  return { file, key, tables };
}

function refused(file: string, issue: v.BaseIssue<unknown>): ThinkbackError {
  const at = (issue.path ?? []).map(({ key }) => String(key)).join(": ");
  const hint = hints.find(([pattern]) => pattern.test(at))?.[1] ?? hints.at(-1)![1];
  const what = issue.expected === "never" ? "is not known here" : "is not right";
  return new ThinkbackError("usage", `${file}: ${at === "" ? "the file" : at} ${what}`, { hint });
}

function ruleOf(given: v.InferOutput<typeof rule>): Rule {
  if (given === null || given === "null") return { by: "null" };
  if (given === "drop") return { by: "drop" };
  if (given === "hash") return { by: "hash", digits: undefined };
  if ("hash" in given) return { by: "hash", digits: given.hash };
  if ("shift" in given) {
    return { by: "shift", ms: shiftMs(given.shift), perDocument: given.per === "document" };
  }
  const { constant } = given;
  const text =
    typeof constant === "string" ? fieldName(constant) : Buffer.from(JSON.stringify(constant));
  return { by: "constant", text };
}

/** Whole seconds, but not none: a shift by nothing would mask nothing. */
function isShift(text: string): boolean {
  const ms = shiftMs(text);
  return ms !== 0 && ms % 1000 === 0;
}

/** NaN if it is no duration. */
function shiftMs(text: string): number {
  const ms = durationMs(text.replace(/^-/, "")) ?? Number.NaN;
  return text.startsWith("-") ? -ms : ms;
}

/** What two such rules leave of a document would depend on which of them comes first in the file. */
function refuseOverlaps(file: string, tables: MaskFile["tables"]): void {
  for (const [name, rules] of Object.entries(tables)) {
    const paths = Object.keys(rules).map((text) => ({ text, names: parsePath(text)! }));
    for (const inner of paths) {
      const outer = paths.find((one) => one !== inner && one.names.every(isIn(inner.names)));
      if (!outer) continue;
      const text = `${file}: tables: ${name}: ${inner.text} is inside ${outer.text}`;
      throw new ThinkbackError("usage", text, {
        hint: `give a rule for ${outer.text}, or for fields in it, but not for both`,
      });
    }
  }
}

const isIn = (names: readonly string[]) => (name: string, at: number) => names[at] === name;

function keyIn(file: string, text: string): Buffer {
  const key = Buffer.from(text);
  if (key.length >= keyBytesMin) return key;
  throw new ThinkbackError("usage", `${file}: key has fewer than ${keyBytesMin} bytes`, {
    hint: "make one with `openssl rand -hex 32`, and keep it as you keep a password",
  });
}

function refuseWithoutKey(file: string, tables: MaskFile["tables"]): void {
  for (const [name, rules] of Object.entries(tables)) {
    for (const [of, one] of Object.entries(rules)) {
      if (one.by !== "hash" && !(one.by === "shift" && one.perDocument)) continue;
      throw new ThinkbackError("usage", `${file}: tables: ${name}: ${of} needs a key`, {
        hint: hints[1]![1],
      });
    }
  }
}
