/**
 * Terms that write documents of one table, and of no other that has taken its name. A replacement is guarded besides:
 * inside one atomic `replace`, the server compares the document with the one that it must be, and leaves it alone if
 * it is another.
 *
 * The guard is the server's digest of the document's text: `r.uuid` of a text is a SHA-1. Because the primary key is
 * part of the text, the digest also says which of several replacements is meant. So one query replaces many documents,
 * and asks for the table's id once.
 *
 * Every character of the terms built here is one byte of the query.
 */
import { uuidOf } from "../digest.js";
import { JsonText } from "../json-bytes.js";
import { orderCode } from "../key-order.js";
import { jsonOfText } from "../server-text.js";
import type { Response } from "./response.js";
import { heldTable, orReplaced, orReplacedForItsMaker } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";
import type { Durability, GuardedWrite, WriteOutcome } from "./target.js";

const terms = {
  makeArray: 2,
  variable: 10,
  get: 16,
  eq: 17,
  getField: 31,
  hasFields: 32,
  without: 34,
  merge: 35,
  map: 38,
  nth: 45,
  update: 53,
  delete: 54,
  replace: 55,
  insert: 56,
  call: 64,
  branch: 65,
  func: 69,
  getAll: 78,
  default: 92,
  json: 98,
  uuid: 169,
  toJsonString: 172,
} as const;

/** So much of a query is left for what is not in the texts of its documents. */
const aroundBytesMax = 64 * 1024;
/** The server takes a query of at most 134,217,727 bytes. */
const textBytesMax = 134_217_727 - aroundBytesMax;

/** At most so many bytes of a query are a key of 127 bytes, each escaped, its digest, and what is around both. */
const keyBytesMax = 1024;

/** What is not durable yet is written again. */
const soft = '"durability":"soft","ignore_write_hook":true';

/** A write as it is sent. */
export interface SentWrite {
  key: Buffer;
  /** The digest that the document must have; null: there must be none. */
  digest: string | null;
  /** What becomes of it, as a part of the term. */
  change: string;
}

/** The write as it is sent; a refusal if its text is larger than a query may be. */
export function sentWrite({ key, expected, document }: GuardedWrite): SentWrite | WriteOutcome {
  if (expected === null && document === null) return "moved";
  const change = changeOf(expected, document);
  if (change.length <= textBytesMax) {
    return { key, digest: expected && uuidOf(expected), change };
  }
  const refused = `what changes of it takes ${change.length} bytes of a query, and the server takes ${textBytesMax}`;
  return { refused };
}

/** Divides writes into those of one query each. */
export function* queriesOf(writes: readonly SentWrite[]): Generator<SentWrite[]> {
  let some: SentWrite[] = [];
  let bytes = 0;
  for (const write of writes) {
    if (some.length > 0 && bytes + write.change.length > textBytesMax) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(write);
    bytes += write.change.length + keyBytesMax;
  }
  if (some.length > 0) yield some;
}

function changeOf(expected: Buffer | null, document: Buffer | null): string {
  if (document === null) return "false";
  // It becomes a part of a text.
  if (expected === null) return JSON.stringify(document.toString("latin1")).slice(1, -1);
  const before = new Map(fieldsOf(expected));
  const [taken, set]: [string[], string[]] = [[], []];
  for (const [name, value] of fieldsOf(document)) {
    const stood = before.get(name);
    before.delete(name);
    if (stood?.equals(value)) continue;
    if (stood) taken.push(name);
    set.push(`${name}:${value.toString("latin1")}`);
  }
  taken.push(...before.keys());
  const texts = [`[${taken.join(",")}]`, `{${set.join(",")}}`].map((text) => JSON.stringify(text));
  return `[${terms.makeArray},[${texts.join(",")}]]`;
}

/** The fields of a document, by the JSON text of their names. */
function* fieldsOf(document: Buffer): Generator<[string, Buffer]> {
  for (const { name, value } of new JsonText(document).fields(0)) {
    yield [
      document.toString("latin1", name.start, name.end),
      document.subarray(value.start, value.end),
    ];
  }
}

/** The term that carries out writes, whose answer `outcomesOf` reads. */
export function guardedTerm(
  table: TableReference,
  writes: readonly SentWrite[],
  durability: Durability,
): string {
  const options = `"durability":"${durability}","ignore_write_hook":true`;
  const parts = partsOf(writes).map((part) => {
    const term = part[0]!.digest === null ? addTerm : replaceTerm;
    return outcomesTerm(table, term(table, part, options));
  });
  return `[${terms.makeArray},[${parts.join(",")}]]`;
}

/** Those that replace a document, and those that add one: each a write of its own. */
function partsOf(writes: readonly SentWrite[]): SentWrite[][] {
  const present = writes.filter(({ digest }) => digest !== null);
  const absent = writes.filter(({ digest }) => digest === null);
  return [present, absent].filter(({ length }) => length > 0);
}

/** Replaces the documents whose digests are expected. */
function replaceTerm(table: TableReference, writes: readonly SentWrite[], options: string): string {
  const [row, change] = [variable(1), variable(2)];
  const changes = writes.map(({ digest, change: text }) => `"${digest}":${text}`);
  const digest = `[${terms.uuid},[[${terms.toJsonString},[${row}]]]]`;
  const found = `[${terms.default},[[${terms.getField},[{${changes.join(",")}},${digest}]],null]]`;
  const part = (at: number) => `[${terms.json},[[${terms.nth},[${change},${at}]]]]`;
  // A field that is set is taken away before, because `merge` would join objects.
  const changed = `[${terms.merge},[[${terms.without},[${row},${part(0)}]],${part(1)}]]`;
  const cases = [equal(change, "null"), row, equal(change, "false"), "null", changed];
  const become = func([2], `[${terms.branch},[${cases.join(",")}]]`);
  const by = func([1], `[${terms.call},[${become},${found}]]`);
  const rows = rowsTerm(
    table,
    writes.map(({ key }) => key),
  );
  return `[${terms.replace},[${rows},${by}],{"return_changes":"always",${options}}]`;
}

/** Adds documents; one whose key is there by now is left as it is. */
function addTerm(table: TableReference, writes: readonly SentWrite[], options: string): string {
  const documents = `[${terms.json},["[${writes.map(({ change }) => change).join(",")}]"]]`;
  const held = textOf(heldTable(table));
  const always = textOf(orReplaced(table, "always"));
  const there = func([1, 2, 3], variable(2));
  return `[${terms.insert},[${held},${documents}],{"return_changes":${always},"conflict":${there},${options}}]`;
}

interface Refusal {
  refused: string;
}

/** Why a document was refused; or the digest of one that is as it was; or null of one that was written. */
type Became = Refusal | string | null;

const isRefusal = (became: Became): became is Refusal =>
  typeof became === "object" && became !== null;

/** What the server tells of a part. */
type Told = [
  /** Of each document that it met, the text of its key; null if the server does not tell it. */
  met: [key: string | null, became: Became][],
  /** How many it refused, and why the first. */
  refused: number,
  why: string | null,
];

function outcomesTerm({ primaryKey }: TableReference, write: string): string {
  const [change, result] = [variable(4), variable(5)];
  const field = (of: string, name: string) => `[${terms.getField},[${of},"${name}"]]`;
  const or = (value: string, other: string) => `[${terms.default},[${value},${other}]]`;
  const [before, after] = [field(change, "old_val"), field(change, "new_val")];
  const some = `[${terms.branch},[${equal(before, "null")},${after},${before}]]`;
  const name = jsonTerm(nameText(primaryKey));
  const key = `[${terms.toJsonString},[[${terms.getField},[${some},${name}]]]]`;
  const became = [
    `[${terms.hasFields},[${change},"error"]]`,
    `{"refused":${field(change, "error")}}`,
    equal(before, after),
    `[${terms.uuid},[[${terms.toJsonString},[${before}]]]]`,
    "null",
  ];
  const outcome = [or(key, "null"), `[${terms.branch},[${became.join(",")}]]`];
  const one = func([4], `[${terms.makeArray},[${outcome.join(",")}]]`);
  // If nothing was found, there are no changes. An error of the write itself must not count as that.
  const changes = or(field(result, "changes"), `[${terms.makeArray},[]]`);
  const first = or(field(result, "first_error"), "null");
  const told = [`[${terms.map},[${changes},${one}]]`, field(result, "errors"), first];
  return `[${terms.call},[${func([5], `[${terms.makeArray},[${told.join(",")}]]`)},${write}]]`;
}

/**
 * The server compares times without their zones, and zeros without their signs. It leaves a document alone that is
 * equal to what it is to become.
 */
const takenAsEqual =
  "only the zone of a time or the sign of a zero is to change in it, and the server leaves it then as it is";

/**
 * What became of each write, in their order. What the server did not find was moved. It does not say which document it
 * is that it refuses to add: so that is each of which it tells nothing.
 */
export function outcomesOf(response: Response, writes: readonly SentWrite[]): WriteOutcome[] {
  const [told] = response.rows() as [Told[]];
  const outcomes = new Map<SentWrite, WriteOutcome>();
  for (const [i, part] of partsOf(writes).entries()) {
    const [met, refused, why] = told[i]!;
    const became = new Map<string, Became>();
    for (const [key, how] of met) if (key !== null) became.set(orderCode(jsonOfText(key)), how);
    const named = [...became.values()].filter(isRefusal).length;
    const rest = refused > named && why !== null ? { refused: why } : "moved";
    for (const write of part) {
      const how = became.get(orderCode(write.key));
      outcomes.set(write, how === undefined ? rest : outcomeOf(how, write));
    }
  }
  return writes.map((write) => outcomes.get(write)!);
}
function outcomeOf(became: Became, { digest }: SentWrite): WriteOutcome {
  if (became === null) return "written";
  if (isRefusal(became)) return became;
  return became === digest ? { refused: takenAsEqual } : "moved";
}

/**
 * Writes documents into a table that this user made, replacing those of the same key. They travel as one JSON text,
 * which the server parses at once.
 */
export function insertTerm(table: TableReference, documents: readonly Buffer[]): string {
  const held = textOf(heldTable(table));
  const never = textOf(orReplacedForItsMaker(table, false));
  const options = `{"return_changes":${never},"conflict":"replace",${soft}}`;
  return `[${terms.insert},[${held},[${terms.json},[${quotedArray(documents)}]]],${options}]`;
}

const [quote, backslash, comma, open, close] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d] as const;

/**
 * The text of an array of documents, as a JSON text itself. Byte by byte it takes half of the time of JSON.stringify,
 * which a restore of many documents feels. The text of a document has no control characters.
 */
function quotedArray(documents: readonly Buffer[]): string {
  const size = documents.reduce((sum, { length }) => sum + length + 1, 0);
  const text = Buffer.allocUnsafe(2 * size + 4);
  text[0] = quote;
  text[1] = open;
  let end = 2;
  for (const [i, document] of documents.entries()) {
    if (i > 0) text[end++] = comma;
    for (let at = 0; at < document.length; at += 1) {
      const byte = document[at]!;
      if (byte === quote || byte === backslash) text[end++] = backslash;
      text[end++] = byte;
    }
  }
  text[end++] = close;
  text[end++] = quote;
  return text.toString("latin1", 0, end);
}

/** Deletes the documents of some keys from a table that this user made, without running a write hook. */
export function removalTerm(table: TableReference, keys: readonly Buffer[]): string {
  return `[${terms.delete},[${rowsTerm(table, keys, orReplacedForItsMaker)}],{${soft}}]`;
}

/** Changes one document of a table that this user made, by a function with this body; `row` is the document. */
export function changeTerm(
  how: "update" | "replace",
  table: TableReference,
  key: Buffer,
  body: string,
): string {
  const document = rowsTerm(table, [key], orReplacedForItsMaker);
  return `[${terms[how]},[${document},${func([1], body)}],{${soft}}]`;
}

/**
 * Replaces nothing, in a way that the server permits only to those who may write without running a write hook. The key
 * need not be there.
 */
export function permissionTerm(table: TableReference): string {
  const key = textOf(orReplaced(table, "thinkback"));
  const row = `[${terms.get},[${textOf(heldTable(table))},${key}]]`;
  return `[${terms.replace},[${row},${func([1], variable(1))}],{${soft}}]`;
}

/** The documents of some keys. The index is the first option that the term evaluates, before the keys. */
function rowsTerm(table: TableReference, keys: readonly Buffer[], held = orReplaced): string {
  const rows = textOf(heldTable(table));
  const index = textOf(held(table, table.primaryKey));
  const values = keys.map((key) => jsonTerm(key.toString("latin1")));
  return `[${terms.getAll},[${[rows, ...values].join(",")}],{"index":${index}}]`;
}

export const row = variable(1);

function variable(number: number): string {
  return `[${terms.variable},[${number}]]`;
}

function func(variables: number[], body: string): string {
  return `[${terms.func},[[${terms.makeArray},[${variables.join(",")}]],${body}]]`;
}

function equal(a: string, b: string): string {
  return `[${terms.eq},[${a},${b}]]`;
}

export function jsonTerm(text: string): string {
  return `[${terms.json},[${JSON.stringify(text)}]]`;
}

export function nameText(name: string): string {
  return jsonOfText(JSON.stringify(name)).toString("latin1");
}

/** A term of the driver's as the text of a query. */
function textOf(term: { build(): unknown }): string {
  return jsonOfText(JSON.stringify(term.build())).toString("latin1");
}
