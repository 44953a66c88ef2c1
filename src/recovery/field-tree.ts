/**
 * Documents as trees of fields whose leaves are bytes. So what is put together of two versions of a document has every
 * value as the server wrote it: no number loses its sign or digits, and no text its surrogates.
 */
import { JsonText } from "../json-bytes.js";
import { orderCode } from "../key-order.js";

/** Fields by their names' JSON text, as latin1; or the text of any other value. Pseudo types and arrays are values. */
export type Node = Map<string, Node> | Buffer;

const brace = 0x7b;
const pseudoType = '"$reql_type$"';

/** @param text JSON text as the server writes it, without blanks between tokens */
export function treeOf(text: Buffer): Node {
  return nodeAt(new JsonText(text), 0, text.length);
}

function nodeAt(json: JsonText, start: number, end: number): Node {
  const { bytes } = json;
  if (bytes[start] !== brace) return bytes.subarray(start, end);
  const node = new Map<string, Node>();
  for (const { name, value } of json.fields(start)) {
    const named = bytes.toString("latin1", name.start, name.end);
    if (named === pseudoType) return bytes.subarray(start, end);
    node.set(named, nodeAt(json, value.start, value.end));
  }
  return node;
}

/** JSON text, with fields in the order in which the server stores them. */
export function textOf(node: Node): Buffer {
  const pieces: Buffer[] = [];
  const add = (one: Node) => {
    if (Buffer.isBuffer(one)) {
      pieces.push(one);
      return;
    }
    pieces.push(openBytes);
    let isFirst = true;
    for (const [name, value] of inOrder(one)) {
      pieces.push(Buffer.from(`${isFirst ? "" : ","}${name}:`, "latin1"));
      isFirst = false;
      add(value);
    }
    pieces.push(closeBytes);
  };
  add(node);
  return Buffer.concat(pieces);
}

const openBytes = Buffer.from("{");
const closeBytes = Buffer.from("}");

function inOrder(fields: Map<string, Node>): [string, Node][] {
  const coded = [...fields].map((field) => {
    return { code: orderCode(Buffer.from(field[0], "latin1")), field };
  });
  return coded.sort((a, b) => (a.code < b.code ? -1 : 1)).map(({ field }) => field);
}

/** True if both are the same value, or both are absent. */
export function isSame(a: Node | undefined, b: Node | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (Buffer.isBuffer(a) || Buffer.isBuffer(b)) {
    return Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);
  }
  if (a.size !== b.size) return false;
  for (const [name, value] of a) if (!isSame(value, b.get(name))) return false;
  return true;
}

/** A field's path: names as JSON text, from the document down. Empty for the whole document. */
export type FieldPath = readonly string[];

export interface FieldChange {
  path: FieldPath;
  /** Undefined where there is none. */
  before: Node | undefined;
  after: Node | undefined;
}

/** The fields in which two versions differ, the deepest ones that both have as objects. */
export function changesBetween(
  before: Node | undefined,
  after: Node | undefined,
  path: FieldPath = [],
): FieldChange[] {
  if (isSame(before, after)) return [];
  if (!(before instanceof Map) || !(after instanceof Map)) return [{ path, before, after }];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names]
    .sort()
    .flatMap((name) => changesBetween(before.get(name), after.get(name), [...path, name]));
}

/** A path as people write it: `address.street`, with quotes only where a name needs them. */
export function pathText(path: FieldPath): string {
  if (path.length === 0) return "(document)";
  const plain = /^"([A-Za-z_][A-Za-z0-9_-]*)"$/;
  return path
    .map((name) => plain.exec(name)?.[1] ?? Buffer.from(name, "latin1").toString())
    .join(".");
}

/**
 * The names of a path as people write it, from the document down: `address.street`. A name may stand in quotes, as
 * JSON, and one with a dot has to: `"e.mail".home`. Undefined if the text is no such path.
 */
export function parsePath(text: string): string[] | undefined {
  const names: string[] = [];
  for (let at = 0; ; ) {
    const [one, quoted] = /^(?:("(?:[^"\\]|\\.)*")|[^".][^.]*)(?=\.|$)/s.exec(text.slice(at)) ?? [];
    const name = quoted === undefined ? one : textInQuotes(quoted);
    if (one === undefined || name === undefined) return undefined;
    names.push(name);
    at += one.length + 1;
    if (at > text.length) return names;
  }
}

function textInQuotes(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
