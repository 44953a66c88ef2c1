/**
 * JSON text as it is stored. JSON.parse would make 12345678901234567890 and 12345678901234567000 one number, 1.0 and 1
 * too, and would lose the sign of -0.0. So a value stays a piece of the text that the server sent: it is only cut into
 * fields and items, one level at a time and when they are asked for. What is shown and compared is that text.
 *
 * The text is compact, as RethinkDB writes it and Thinkback passes it on; blanks between tokens do no harm.
 */

export type StoredKind = "object" | "array" | "string" | "number" | "boolean" | "null";

export class StoredJsonError extends Error {}

export class StoredJson {
  private known: { fields?: ReadonlyMap<string, StoredJson>; items?: readonly StoredJson[] } = {};

  private constructor(
    private readonly source: string,
    private readonly start: number,
    private readonly end: number,
  ) {}

  /** Throws a StoredJsonError if the text does not hold one whole value, as far as its outermost level shows it. */
  static of(source: string): StoredJson {
    const start = skipBlanks(source, 0);
    const end = endOfValue(source, start);
    if (skipBlanks(source, end) !== source.length) throw new StoredJsonError("more than a value");
    return new StoredJson(source, start, end);
  }

  /** The value's own text. */
  get text(): string {
    return this.source.slice(this.start, this.end);
  }

  get kind(): StoredKind {
    const first = this.source[this.start];
    if (first === "{") return "object";
    if (first === "[") return "array";
    if (first === '"') return "string";
    if (first === "t" || first === "f") return "boolean";
    return first === "n" ? "null" : "number";
  }

  /** The fields of an object by their names, as JSON text with its quotes; none of another value. */
  get fields(): ReadonlyMap<string, StoredJson> {
    this.known.fields ??= this.kind === "object" ? this.readFields() : new Map();
    return this.known.fields;
  }

  get items(): readonly StoredJson[] {
    this.known.items ??= this.kind === "array" ? this.readItems() : [];
    return this.known.items;
  }

  /** A field by its plain name. */
  field(name: string): StoredJson | undefined {
    return this.fields.get(JSON.stringify(name));
  }

  /** The value as JavaScript has it: for texts, instants and counts of the answer itself, not for documents. */
  parsed<T = unknown>(): T {
    return JSON.parse(this.text) as T;
  }

  private readFields(): Map<string, StoredJson> {
    const { source } = this;
    const fields = new Map<string, StoredJson>();
    let at = skipBlanks(source, this.start + 1);
    while (source[at] !== "}") {
      const nameEnd = endOfString(source, at);
      const name = source.slice(at, nameEnd);
      at = skipBlanks(source, nameEnd);
      if (source[at] !== ":") throw new StoredJsonError(`no colon at ${at}`);
      const start = skipBlanks(source, at + 1);
      const end = endOfValue(source, start);
      fields.set(name, new StoredJson(source, start, end));
      at = this.next(end, "}");
    }
    return fields;
  }

  private readItems(): StoredJson[] {
    const { source } = this;
    const items: StoredJson[] = [];
    let at = skipBlanks(source, this.start + 1);
    while (source[at] !== "]") {
      const end = endOfValue(source, at);
      items.push(new StoredJson(source, at, end));
      at = this.next(end, "]");
    }
    return items;
  }

  /** Where the next field or item begins, or the closing bracket stands. */
  private next(end: number, closing: string): number {
    const at = skipBlanks(this.source, end);
    if (this.source[at] === closing) return at;
    if (this.source[at] !== ",") throw new StoredJsonError(`no comma at ${at}`);
    return skipBlanks(this.source, at + 1);
  }
}

function skipBlanks(source: string, from: number): number {
  let at = from;
  while (at < source.length && " \n\r\t".includes(source[at]!)) at += 1;
  return at;
}

function endOfString(source: string, start: number): number {
  if (source[start] !== '"') throw new StoredJsonError(`no text at ${start}`);
  for (let at = source.indexOf('"', start + 1); at !== -1; at = source.indexOf('"', at + 1)) {
    let before = at - 1;
    while (source[before] === "\\") before -= 1;
    // An even number of backslashes stands for half as many of them, and not for this quote.
    if ((at - before) % 2 === 1) return at + 1;
  }
  throw new StoredJsonError("a text does not end");
}

const scalar = /(?:-?\d[\d.eE+-]*|true|false|null)/y;

/** It counts brackets rather than calling itself, because documents may be nested very deeply. */
function endOfValue(source: string, start: number): number {
  let depth = 0;
  let at = start;
  for (;;) {
    const char = source[at];
    if (char === '"') at = endOfString(source, at);
    else if (char === "{" || char === "[") {
      depth += 1;
      at += 1;
    } else if (char === "}" || char === "]") {
      depth -= 1;
      at += 1;
      if (depth < 0) throw new StoredJsonError(`no value at ${start}`);
    } else if (depth > 0 && (char === "," || char === ":" || " \n\r\t".includes(char ?? "x"))) {
      at += 1;
    } else {
      scalar.lastIndex = at;
      if (!scalar.test(source)) throw new StoredJsonError(`no value at ${at}`);
      at = scalar.lastIndex;
    }
    if (depth === 0) return at;
  }
}

/** A pseudo type of RethinkDB, which is stored as an object and is one value. */
export const typeOf = (value: StoredJson): string | undefined =>
  value.kind === "object" ? value.field("$reql_type$")?.parsed<string>() : undefined;

/** The names from the document down, each as JSON text. */
export type StoredPath = readonly string[];

export interface StoredChange {
  path: StoredPath;
  /** Undefined where there is none, which is not the same as null. */
  before: StoredJson | undefined;
  after: StoredJson | undefined;
}

/** An object whose fields are compared one by one. */
const isTree = (value: StoredJson | undefined): value is StoredJson =>
  value?.kind === "object" && typeOf(value) === undefined;

/**
 * The fields of two versions: the deepest ones that both have as objects. Lists and pseudo types are compared as a
 * whole. So the fields that differ are those that `thinkback history` names.
 */
export function fieldsOf(
  before: StoredJson | undefined,
  after: StoredJson | undefined,
  path: StoredPath = [],
): StoredChange[] {
  if (!isTree(before) || !isTree(after) || path.length >= depthMax)
    return [{ path, before, after }];
  const names = [...new Set([...before.fields.keys(), ...after.fields.keys()])].sort();
  return names.flatMap((name) => {
    return fieldsOf(before.fields.get(name), after.fields.get(name), [...path, name]);
  });
}

/** Deeper objects are shown and compared as a whole. */
export const depthMax = 40;

/** The server writes a value always in the same way, so what differs has another text. */
export const isDifferent = ({ before, after }: StoredChange): boolean =>
  before?.text !== after?.text;

/** `address.street`, with quotes only where a name needs them, as the command line takes it. */
export function pathText(path: StoredPath): string {
  if (path.length === 0) return "(document)";
  return path.map((name) => /^"([A-Za-z_][A-Za-z0-9_-]*)"$/.exec(name)?.[1] ?? name).join(".");
}

/** A key as the command line takes it: JSON, or else a text. */
export function keyOf(text: string): { key: unknown } | { wrong: string } {
  const trimmed = text.trim();
  let key: unknown = trimmed;
  try {
    key = JSON.parse(trimmed);
  } catch {
    // It is a text.
  }
  if (trimmed === "") return { wrong: "" };
  const isObject = typeof key === "object" && key !== null && !Array.isArray(key);
  const isTyped = isObject && "$reql_type$" in (key as object);
  if (key === null || (isObject && !isTyped)) {
    return { wrong: "No document has such a key: give a text, a number, true, false or a list." };
  }
  return { key };
}

/** What a key was taken for, in words. */
export function keyKind(key: unknown): string {
  if (Array.isArray(key)) return "a list";
  if (typeof key === "string") return "a text";
  return typeof key === "object"
    ? "a time or binary"
    : `a ${typeof key}`.replace("a boolean", "true or false");
}
