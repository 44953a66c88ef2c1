/** Masks fields of documents while they are restored, so that what leaves production has no personal data. */
import { createHmac } from "node:crypto";
import { ThinkbackError } from "../errors.js";
import { fieldName, fieldOf, JsonText } from "../json-bytes.js";
import { textOfJson } from "../server-text.js";
import { type Node, textOf, treeOf } from "./field-tree.js";
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
  mask(key: Buffer, document: Buffer): Masked;
  /** What each rule was applied to so far. */
  counts(): { path: string; rule: string; documents: number }[];
}

interface PathRule {
  path: string;
  /** Names as in a field tree. */
  names: string[];
  rule: Rule;
  documents: number;
}

const nullText = Buffer.from("null");
const [openBracket, openBrace] = [0x5b, 0x7b];
const pseudoType = fieldName("$reql_type$");
const hashDigitsDefault = 32;
const dayMs = 86_400_000;

/**
 * The mask of one table.
 * @throws {ThinkbackError} `usage` if the file does not name the table, or a rule cannot be applied to a primary key
 */
export function maskOf({ file, key, tables }: MaskFile, table: string, primaryKey: string): Mask {
  const own = tables[table];
  if (!own) {
    throw new ThinkbackError("usage", `${file} does not say how ${table} is masked`, {
      hint: `name it: write ${table}: {} to restore it as it is, or leave it out of the restore`,
    });
  }
  const rules = Object.entries(own).map(([path, rule]): PathRule => {
    const names = path.split(".").map((name) => fieldName(name).toString("latin1"));
    return { path, names, rule, documents: 0 };
  });
  const ofKey = rules.find(({ path }) => path === primaryKey || path.startsWith(`${primaryKey}.`));
  if (ofKey && !["hash", "shift"].includes(ofKey.rule.by)) {
    throw new ThinkbackError(
      "usage",
      `${file}: ${table}: ${ofKey.path}: a primary key cannot be masked by ${ofKey.rule.by}`,
      {
        hint: "mask it by hash, so that it stays one key for each document",
      },
    );
  }
  const name = fieldName(primaryKey);
  return {
    movesKeys: ofKey !== undefined,
    mask: (original, text) => {
      const tree = treeOf(text);
      for (const one of rules) {
        let isThere = false;
        changedAt(tree, one.names, {
          change: (value) => {
            isThere = true;
            return maskedValue(value, one, key, original, table);
          },
          refuse: (type) => {
            throw new ThinkbackError(
              "usage",
              `${one.path} of ${textOfJson(original)} in ${table} is inside ${type}, which is masked only as a whole`,
              { hint: "give a rule for the whole value; then give the command again" },
            );
          },
        });
        if (isThere) one.documents += 1;
      }
      const document = textOf(tree);
      if (!ofKey) return { key: original, document };
      const { start, end } = fieldOf(document, 0, name)!;
      return { key: document.subarray(start, end), document };
    },
    counts: () => rules.map(({ path, rule, documents }) => ({ path, rule: rule.by, documents })),
  };
}

interface Change {
  /** Undefined to leave a field out. */
  change: (value: Node) => Node | undefined;
  /** Called for a path that leads into a value of a type of the server's own, such as a GEOMETRY. */
  refuse: (type: string) => never;
}

/** The value with the field of this path changed, in each element of an array on the way. */
function changedAt(value: Node, names: readonly string[], change: Change): Node {
  const [first, ...rest] = names;
  if (Buffer.isBuffer(value)) {
    if (value[0] === openBrace && fieldOf(value, 0, Buffer.from(first!, "latin1"))) {
      const type = fieldOf(value, 0, pseudoType)!;
      change.refuse(textOfJson(value.subarray(type.start, type.end)));
    }
    if (value[0] !== openBracket) return value;
    return arrayOf(itemsOf(value).map((item) => textOf(changedAt(treeOf(item), names, change))));
  }
  const field = value.get(first!);
  if (field === undefined) return value;
  const changed = rest.length > 0 ? changedAt(field, rest, change) : change.change(field);
  if (changed === undefined) value.delete(first!);
  else value.set(first!, changed);
  return value;
}

function maskedValue(
  value: Node,
  { path, rule }: PathRule,
  key: Buffer | undefined,
  original: Buffer,
  table: string,
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
              "else mask this field by drop, null, constant or hash",
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
