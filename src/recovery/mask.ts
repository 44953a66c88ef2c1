/** Masks fields of documents while they are restored, so that what leaves production has no personal data. */
import { createHmac } from "node:crypto";
import { ThinkbackError } from "../errors.js";
import { fieldName, fieldOf, JsonText } from "../json-bytes.js";
import { textOfJson } from "../server-text.js";
import { mostSimilar } from "../similar.js";
import { type Node, parsePath, pathText, textOf, treeOf } from "./field-tree.js";
import type { MaskFile, Rule } from "./mask-file.js";
import { shiftedDate } from "./shifted-date.js";

/** What became of a document. */
export interface Masked {
  /** JSON texts. */
  key: Buffer;
  document: Buffer;
}

export interface Mask {
  /** True if primary keys are masked: then documents are not in the order of their keys any more. */
  movesKeys: boolean;
  /** The rules, in the order of the file. */
  rules: readonly { path: string; rule: string }[];
  mask(key: Buffer, document: Buffer): Masked;
  /** Looks at a document that is not restored: a rule whose field only such documents have is not mistyped. */
  look(document: Buffer): void;
  /** What each rule was applied to so far. */
  counts(): { path: string; rule: string; documents: number }[];
  /** Throws if documents were looked at, and none of them has the field of a rule. */
  refuseUnused(): void;
}

interface PathRule {
  path: string;
  /** Names as in a field tree. */
  names: string[];
  rule: Rule;
  documents: number;
  /** True if a document has the field. */
  isThere: boolean;
}

const nullText = Buffer.from("null");
const [openBracket, openBrace, quote] = [0x5b, 0x7b, 0x22];
const pseudoType = fieldName("$reql_type$");
const hashDigitsDefault = 32;
const dayMs = 86_400_000;

/**
 * The mask of one table.
 * @param allowUnused a rule may be for a field that no document has
 * @throws {ThinkbackError} `usage` if the file does not name the table, or a rule cannot be applied to a primary key
 */
export function maskOf(
  { file, key, tables }: MaskFile,
  table: string,
  primaryKey: string,
  allowUnused = false,
): Mask {
  const own = tables[table];
  if (!own) {
    throw new ThinkbackError("usage", `${file} does not say how ${table} is masked`, {
      hint: `name it: write ${table}: {} to restore it as it is, or leave it out of the restore`,
    });
  }
  const name = fieldName(primaryKey);
  const rules = Object.entries(own).map(([path, rule]): PathRule => {
    const names = parsePath(path)!.map((one) => fieldName(one).toString("latin1"));
    return { path, names, rule, documents: 0, isThere: false };
  });
  refuseDottedKey(rules, primaryKey, `${file}: ${table}`);
  const ofKey = rules.find(({ names }) => names[0] === name.toString("latin1"));
  if (ofKey && !["hash", "shift"].includes(ofKey.rule.by)) {
    throw new ThinkbackError(
      "usage",
      `${file}: ${table}: ${ofKey.path}: a primary key cannot be masked by ${ofKey.rule.by}`,
      {
        hint: "mask it by hash, so that it stays one key for each document",
      },
    );
  }
  const known = new KnownFields();
  return {
    movesKeys: ofKey !== undefined,
    rules: rules.map(({ path, rule }) => ({ path, rule: rule.by })),
    mask: (original, text) => {
      const tree = treeOf(text);
      if (rules.some(({ isThere }) => !isThere)) known.add(tree);
      for (const one of rules) {
        let isThere = false;
        changedAt(tree, one.names, {
          change: (value) => {
            isThere = true;
            return maskedValue(value, one, key, { original, table, isKey: one === ofKey });
          },
          refuse: (type) => {
            throw new ThinkbackError(
              "usage",
              `${one.path} of ${textOfJson(original)} in ${table} is inside ${type}, which is masked only as a whole`,
              { hint: `give a rule for the whole value; ${againHint}` },
            );
          },
        });
        if (!isThere) continue;
        one.documents += 1;
        one.isThere = true;
      }
      const document = textOf(tree);
      if (!ofKey) return { key: original, document };
      const { start, end } = fieldOf(document, 0, name)!;
      return { key: document.subarray(start, end), document };
    },
    look: (text) => {
      const lacking = rules.filter(({ isThere }) => !isThere);
      if (lacking.length === 0) return;
      const tree = treeOf(text);
      known.add(tree);
      for (const one of lacking) {
        const change = (value: Node) => {
          one.isThere = true;
          return value;
        };
        changedAt(tree, one.names, { change, refuse: () => undefined });
      }
    },
    counts: () => rules.map(({ path, rule, documents }) => ({ path, rule: rule.by, documents })),
    refuseUnused: () => {
      const unused = rules.find(({ isThere }) => !isThere);
      if (!unused || allowUnused || known.isEmpty) return;
      const { path } = unused;
      throw new ThinkbackError("unknown", `no document of ${table} has the field ${path}`, {
        hint:
          `fields there: ${known.near(path).join(", ")}. Correct ${path} in ${file}, ${dropHint}; ` +
          "or give the same command again with --allow-unused-rules",
      });
    },
  };
}

const dropHint = "drop the table on the target, and restore it again";
const againHint = `then ${dropHint}`;

/** `a.b` is the field b in a: a key that is called so would come through as it is. */
function refuseDottedKey(rules: readonly PathRule[], primaryKey: string, at: string): void {
  if (!primaryKey.includes(".") || !rules.some(({ path }) => path === primaryKey)) return;
  throw new ThinkbackError("usage", `${at}: ${primaryKey} is not the primary key of that name`, {
    hint: `a name that has a dot stands in quotes: write '${JSON.stringify(primaryKey)}'`,
  });
}

/** The paths of the fields of the first documents, for hints. */
class KnownFields {
  private readonly paths = new Set<string>();
  private documents = 0;

  get isEmpty(): boolean {
    return this.documents === 0;
  }

  add(document: Node): void {
    this.documents += 1;
    if (this.documents <= knownDocumentsMax) this.addIn(document, []);
  }

  near(path: string): string[] {
    return mostSimilar(path, [...this.paths], nearMax);
  }

  private addIn(value: Node, path: readonly string[]): void {
    if (this.paths.size >= knownPathsMax) return;
    if (path.length > 0) this.paths.add(pathText(path));
    if (!Buffer.isBuffer(value)) {
      for (const [name, of] of value) this.addIn(of, [...path, name]);
    } else if (value[0] === openBracket) {
      for (const item of itemsOf(value)) this.addIn(treeOf(item), path);
    }
  }
}

/** Others have hardly ever other fields; more would only cost time. */
const [knownDocumentsMax, knownPathsMax, nearMax] = [100, 1000, 3];

interface Change {
  /** Undefined to leave a field out. */
  change: (value: Node) => Node | undefined;
  /** Called for a path that leads into a value without fields of its own, such as a text, or a GEOMETRY. */
  refuse: (type: string) => void;
}

/** The value with the field of this path changed, in each element of an array on the way. */
function changedAt(value: Node, names: readonly string[], change: Change): Node {
  const [first, ...rest] = names;
  if (Buffer.isBuffer(value)) {
    if (value[0] !== openBracket) {
      if (!value.equals(nullText)) change.refuse(typeOf(value));
      return value;
    }
    return arrayOf(itemsOf(value).map((item) => textOf(changedAt(treeOf(item), names, change))));
  }
  const field = value.get(first!);
  if (field === undefined) return value;
  const changed = rest.length > 0 ? changedAt(field, rest, change) : change.change(field);
  if (changed === undefined) value.delete(first!);
  else value.set(first!, changed);
  return value;
}

/** @param value a text of JSON that is no array and not null; of an object a type of the server's own */
function typeOf(value: Buffer): string {
  if (value[0] === openBrace) {
    const { start, end } = fieldOf(value, 0, pseudoType)!;
    return textOfJson(value.subarray(start, end));
  }
  if (value[0] === quote) return "a text";
  return value[0] === 0x74 || value[0] === 0x66 ? value.toString() : "a number";
}

function maskedValue(
  value: Node,
  { path, rule }: PathRule,
  key: Buffer | undefined,
  { original, table, isKey }: { original: Buffer; table: string; isKey: boolean },
): Node | undefined {
  switch (rule.by) {
    case "drop":
      return undefined;
    case "null":
      return nullText;
    case "constant":
      return rule.text;
    case "hash":
      return eachOf(value, (one) => hashed(one, key!, rule.digits ?? hashDigitsDefault));
    case "shift": {
      const ms = rule.perDocument ? daysOf(key!, original, rule.ms) : rule.ms;
      return eachOf(value, (one) => {
        const shifted = shiftedDate(one, ms);
        if (shifted) return shifted;
        throw new ThinkbackError(
          "usage",
          `${path} of ${textOfJson(original)} in ${table} is no date that can be shifted so`,
          {
            hint:
              "a date without a time is shifted by whole days, to a year up to 9999; " +
              `else mask ${isKey ? "the key by hash" : "this field by drop, null, constant or hash"}; ${againHint}`,
          },
        );
      });
    }
  }
}

/** Null stays null, and of an array each element is masked, so that joins stay. */
function eachOf(value: Node, change: (text: Buffer) => Buffer): Buffer {
  const text = textOf(value);
  if (text.equals(nullText)) return text;
  if (text[0] !== openBracket) return change(text);
  return arrayOf(itemsOf(text).map((item) => eachOf(treeOf(item), change)));
}

function hashed(text: Buffer, key: Buffer, digits: number): Buffer {
  const hex = createHmac("sha256", key).update(text).digest("hex");
  return Buffer.from(`"${hex.slice(0, digits)}"`);
}

/** Whole days, at least one and up to so many, in either direction; the same for all dates of a document. */
function daysOf(key: Buffer, original: Buffer, msMax: number): number {
  const daysMax = Math.floor(msMax / dayMs);
  const drawn = createHmac("sha256", key).update("shift ").update(original).digest().readUInt32BE();
  const days = 1 + (Math.floor(drawn / 2) % daysMax);
  return (drawn % 2 === 0 ? days : -days) * dayMs;
}

function itemsOf(array: Buffer): Buffer[] {
  return [...new JsonText(array).items(0)].map(({ start, end }) => array.subarray(start, end));
}

function arrayOf(items: readonly Buffer[]): Buffer {
  const comma = Buffer.from(",");
  const joined = items.flatMap((item, i) => (i === 0 ? [item] : [comma, item]));
  return Buffer.concat([Buffer.from("["), ...joined, Buffer.from("]")]);
}
