/** Reads queries by example: checks every operator's operand, because a wrong one would select nothing, in silence. */
import { ThinkbackError } from "../errors.js";
import { parsePath } from "./field-tree.js";

/** The type of a value that can be compared. */
export type ValueType = "text" | "number" | "boolean";

/** A field that a query asks about. */
export interface AskedField {
  /** As in the query. */
  path: string;
  /** From the document down. */
  names: string[];
  /** The types of the values that it is compared with. */
  types: Set<ValueType>;
  /** True if it is meant that documents may lack it. */
  mayLack: boolean;
}

export interface Query {
  /** The query for sift, which takes a dot in a name for a step: dots that are in names are replaced. */
  query: object;
  fields: AskedField[];
  /** True if a name in it has a dot: then names of documents are to be given by `undotted` too. */
  hasDots: boolean;
}

export const queryHint =
  'give a query by example, such as {"customer": "c42"} or {"total": {"$gt": 100}}; docs/recovery.md lists the operators';

/** Stands for a dot in a name. It is no character, so that no name has it. */
const dotMark = "\u{10ffff}";

/** A value with the dots in the names of its fields replaced. */
export function undotted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(undotted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, of]) => [name.replaceAll(".", dotMark), undotted(of)]),
  );
}

/**
 * @param option what names the query, for messages
 * @throws {ThinkbackError} `usage` for what is no query, and for an operand that its operator has no meaning for
 */
export function readQuery(given: unknown, option: string): Query {
  return new Reading(option).read(given);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
const isCompared = (value: unknown) => ["number", "string", "boolean"].includes(typeof value);
const aliases = ["number", "string", "bool", "array", "null"];

interface Operator {
  takes: (operand: unknown) => boolean;
  /** What it takes, for messages. */
  what: string;
}

const list: Operator = { takes: Array.isArray, what: "a list of values, such as [1, 2]" };
const any: Operator = { takes: () => true, what: "a value" };
const compared: Operator = { takes: isCompared, what: "a number or a text" };
const operators = new Map<string, Operator>(
  Object.entries({
    $eq: any,
    $ne: any,
    $gt: compared,
    $gte: compared,
    $lt: compared,
    $lte: compared,
    $in: list,
    $nin: list,
    $all: list,
    $size: {
      takes: (value) => isWhole(value) && value >= 0,
      what: "a count of elements, such as 2",
    },
    $mod: {
      takes: (value) =>
        Array.isArray(value) && value.length === 2 && value.every(isWhole) && value[0] !== 0,
      what: "a divisor and a remainder, such as [10, 0]",
    },
    $exists: { takes: (value) => typeof value === "boolean", what: "true or false" },
    $type: {
      takes: (value) => aliases.includes(value as string),
      what: `one of ${aliases.join(", ")}`,
    },
    $regex: { takes: (value) => typeof value === "string", what: "a pattern, such as ^A" },
    $options: { takes: (value) => typeof value === "string", what: "flags of $regex, such as i" },
    $not: { takes: isObject, what: 'operators, such as {"$gt": 100}' },
    $elemMatch: { takes: isObject, what: "a query for elements" },
  } satisfies Record<string, Operator>),
);
const groups = ["$and", "$or", "$nor"];

class Reading {
  private readonly fields = new Map<string, AskedField>();
  private hasDots = false;

  constructor(private readonly option: string) {}

  read(given: unknown): Query {
    if (!isObject(given)) this.refuse("is not a query: it is not an object");
    const query = this.query(given, []);
    return { query, fields: [...this.fields.values()], hasDots: this.hasDots };
  }

  private query(given: Record<string, unknown>, at: readonly string[]): object {
    return Object.fromEntries(
      Object.entries(given).map(([name, operand]) => {
        if (!name.startsWith("$")) return this.field(name, operand, at);
        if (groups.includes(name)) return [name, this.group(name, operand, at)];
        this.refuseUnknown(name);
        return this.refuse(`has ${name} without a field in front of it`);
      }),
    );
  }

  private group(name: string, operand: unknown, at: readonly string[]): object[] {
    if (Array.isArray(operand) && operand.length > 0 && operand.every(isObject)) {
      return operand.map((one) => this.query(one, at));
    }
    return this.refuse(`has ${name} with ${shown(operand)}: it takes a list of queries`);
  }

  private field(path: string, operand: unknown, at: readonly string[]): [string, unknown] {
    const names = parsePath(path);
    if (!names) this.refuse(`has ${JSON.stringify(path)}, which is not the path of a field`);
    const all = [...at, ...names];
    const known = this.fields.get(all.join("\0"));
    const field = known ?? { path, names: all, types: new Set(), mayLack: false };
    this.fields.set(all.join("\0"), field);
    return [names.map((one) => this.name(one)).join("."), this.condition(operand, field)];
  }

  private name(name: string): string {
    if (name.includes(".")) this.hasDots = true;
    return name.replaceAll(".", dotMark);
  }

  private condition(operand: unknown, field: AskedField): unknown {
    const names = isObject(operand) ? Object.keys(operand) : [];
    if (!names.some((name) => name.startsWith("$"))) return this.value(operand, field);
    const entries = Object.entries(operand as object);
    for (const [name, one] of entries) this.checkOperator(name, one);
    this.checkPattern(operand as Record<string, unknown>);
    if (names.includes("$exists")) field.mayLack = true;
    return Object.fromEntries(
      entries.map(([name, one]): [string, unknown] => [name, this.operand(name, one, field)]),
    );
  }

  private operand(name: string, operand: unknown, field: AskedField): unknown {
    switch (name) {
      case "$not":
        return this.condition(operand, field);
      case "$elemMatch": {
        const isOperators = Object.keys(operand as object).some((one) => one.startsWith("$"));
        if (isOperators) return this.condition(operand, field);
        return this.query(operand as Record<string, unknown>, field.names);
      }
      case "$in":
      case "$nin":
      case "$all":
        return (operand as unknown[]).map((one) => this.value(one, field));
      case "$eq":
      case "$ne":
      case "$gt":
      case "$gte":
      case "$lt":
      case "$lte":
        return this.value(operand, field);
      default:
        return operand;
    }
  }

  /** A value that is compared as it is. */
  private value(value: unknown, { types }: AskedField): unknown {
    const type = typeOf(value);
    if (type) types.add(type);
    this.refuseCode(value);
    if (JSON.stringify(value).includes(".")) this.hasDots ||= hasDotted(value);
    return undotted(value);
  }

  private checkOperator(name: string, operand: unknown): void {
    if (name === "$reql_type$") {
      this.refuse(
        "compares with a value of the server's own type",
        "ask for its fields, such as created.epoch_time of a time",
      );
    }
    if (!name.startsWith("$")) this.refuse(`mixes operators with the field ${name}`);
    if (groups.includes(name)) this.refuse(`has ${name} below a field: it stands above the fields`);
    this.refuseUnknown(name);
    const { takes, what } = operators.get(name)!;
    if (!takes(operand)) this.refuse(`has ${name} with ${shown(operand)}: it takes ${what}`);
  }

  private checkPattern({ $regex, $options }: Record<string, unknown>): void {
    if ($regex === undefined) {
      if ($options !== undefined) this.refuse("has $options without $regex");
      return;
    }
    try {
      RegExp($regex as string, $options as string | undefined);
    } catch (error) {
      this.refuse(`has a $regex that is no pattern: ${(error as Error).message}`);
    }
  }

  private refuseUnknown(name: string): void {
    if (name === "$where") this.refuse("has $where, which would run code");
    if (operators.has(name) || groups.includes(name)) return;
    this.refuse(
      `has ${name}, which is no operator`,
      `operators: ${[...operators.keys(), ...groups].join(", ")}`,
    );
  }

  private refuseCode(value: unknown): void {
    if (Array.isArray(value)) for (const one of value) this.refuseCode(one);
    if (!isObject(value)) return;
    if ("$where" in value) this.refuse("has $where, which would run code");
    for (const one of Object.values(value)) this.refuseCode(one);
  }

  private refuse(what: string, hint = queryHint): never {
    throw new ThinkbackError("usage", `${this.option} ${what}`, { hint });
  }
}

/** The type of a single value; undefined of null, lists and objects. */
export function typeOf(value: unknown): ValueType | undefined {
  if (typeof value === "string") return "text";
  return typeof value === "number" || typeof value === "boolean"
    ? (typeof value as ValueType)
    : undefined;
}

function hasDotted(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasDotted);
  return (
    isObject(value) &&
    Object.entries(value).some(([name, of]) => name.includes(".") || hasDotted(of))
  );
}

function shown(operand: unknown): string {
  const text = JSON.stringify(operand);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
