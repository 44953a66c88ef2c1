/** A query's JSON compiled into a tree of terms: arities, option names and variables are checked before anything runs. */
import { type Datum, type DatumObject, objectOf } from "./datum.js";
import { sanitizePseudoType } from "./pseudo-types.js";
import { datumOf, type JsonValue } from "./read-json.js";
import { ReqlError } from "./reql-error.js";
import type { TermDefinition } from "./term-definition.js";
import { termId } from "./term-ids.js";

export interface TermNode {
  readonly definition: TermDefinition;
  readonly args: TermNode[];
  readonly optargs: Map<string, TermNode>;
  /** Set for literals. */
  constant: Datum | undefined;
  /** Of FUNC: the numbers of its variables. Of VAR: its own. */
  variables: number[];
  readonly parent: TermNode | undefined;
  /** This term's place in its parent: an argument's number or an option's name. */
  readonly frame: number | string;
  /** The JSON it came from; functions are stored as this. */
  readonly source: JsonValue;
}

/** The path from the root: what a response carries as `b`. */
export function backtrace(node: TermNode | undefined): (number | string)[] {
  const frames: (number | string)[] = [];
  for (let at = node; at?.parent; at = at.parent) frames.unshift(at.frame);
  return frames;
}

/** Whether a term gives the same value each time; `now` counts as constant. */
export function isDeterministic(node: TermNode): boolean {
  if (node.definition.deterministic === false) return false;
  if (node.definition.id === termId.UUID && node.args.length === 0) return false;
  return [...node.args, ...node.optargs.values()].every(isDeterministic);
}

/** Compiles terms against a set of definitions. */
export class TermCompiler {
  readonly #definitions: ReadonlyMap<number, TermDefinition>;
  readonly #literal: TermDefinition;
  readonly #makeObject: TermDefinition;

  constructor(definitions: ReadonlyMap<number, TermDefinition>) {
    this.#definitions = definitions;
    this.#literal = definitions.get(termId.DATUM)!;
    this.#makeObject = definitions.get(termId.MAKE_OBJ)!;
  }

  /**
   * @param visible variables that the term may use without binding them
   * @throws {ReqlError} with `compileTime` set
   */
  compile(source: JsonValue, visible: readonly number[] = []): TermNode {
    return this.#compile(source, undefined, 0, visible);
  }

  #compile(
    source: JsonValue,
    parent: TermNode | undefined,
    frame: number | string,
    visible: readonly number[],
  ): TermNode {
    if (Array.isArray(source)) return this.#compileTerm(source, parent, frame, visible);
    if (typeof source === "object" && source !== null) {
      return this.#compileObject(source, parent, frame, visible);
    }
    const node = makeNode(this.#literal, source, parent, frame);
    node.constant = source;
    return node;
  }

  #compileObject(
    source: { [name: string]: JsonValue },
    parent: TermNode | undefined,
    frame: number | string,
    visible: readonly number[],
  ): TermNode {
    const node = makeNode(this.#makeObject, source, parent, frame);
    for (const name of Object.keys(source)) {
      node.optargs.set(name, this.#compile(source[name] ?? null, node, name, visible));
    }
    node.constant = constantObject(node);
    return node;
  }

  #compileTerm(
    source: JsonValue[],
    parent: TermNode | undefined,
    frame: number | string,
    visible: readonly number[],
  ): TermNode {
    const [id, args = [], optargs = {}] = source;
    if (source.length === 0)
      throw compileError("Expected 2 or 3 items in array, but found 0.", parent);
    if (typeof id !== "number") {
      throw compileError(`Expected a TermType as a NUMBER but found ${jsonType(id)}.`, parent);
    }
    const definition = this.#definitions.get(id);
    if (!definition) throw compileError(`Unrecognized TermType: ${id}.`, parent);
    const node = makeNode(definition, source, parent, frame);
    if (id === termId.DATUM) {
      node.constant = datumOf(args);
      return node;
    }
    if (!Array.isArray(args))
      throw compileError(`Expected an array of arguments but found ${jsonType(args)}.`, node);
    if (id === termId.FUNC) return this.#compileFunction(node, args, visible);
    if (id === termId.VAR) return compileVariable(node, args, visible);
    node.args.push(...args.map((arg, i) => this.#compile(arg, node, i, visible)));
    this.#compileOptargs(node, optargs, visible);
    checkArity(node, node.args.length);
    if (id === termId.MAKE_ARRAY) foldArray(node);
    return node;
  }

  #compileOptargs(node: TermNode, optargs: JsonValue, visible: readonly number[]): void {
    if (typeof optargs !== "object" || optargs === null || Array.isArray(optargs)) return;
    for (const name of Object.keys(optargs)) {
      const option = this.#compile(optargs[name] ?? null, node, name, visible);
      if (!node.definition.optargs.includes(name)) {
        throw compileError(`Unrecognized optional argument \`${name}\`.`, option);
      }
      node.optargs.set(name, option);
    }
  }

  #compileFunction(node: TermNode, args: JsonValue[], visible: readonly number[]): TermNode {
    if (args.length !== 2) {
      throw compileError(`Expected 2 arguments but found ${args.length}.`, node);
    }
    const names = datumOf(args[0] ?? null);
    const list = Array.isArray(names) && names[0] === termId.MAKE_ARRAY ? names[1] : names;
    if (!Array.isArray(list))
      throw compileError("FUNC variables must be a literal *array* of numbers.", node);
    node.variables = list.map(Number);
    node.args.push(this.#compile(args[1] ?? null, node, 1, [...visible, ...node.variables]));
    return node;
  }
}

function compileVariable(node: TermNode, args: JsonValue[], visible: readonly number[]): TermNode {
  const [number] = args;
  if (typeof number !== "number" || !visible.includes(number)) {
    throw compileError("Variable name not found.", node);
  }
  node.variables = [number];
  return node;
}

/** @throws {ReqlError} of compile time unless the term takes that many arguments. `ARGS` is counted when it has run. */
export function checkArity(node: TermNode, count: number): void {
  const [least, most] = node.definition.arity;
  if (count >= least && count <= most) return;
  if (node.args.some((arg) => arg.definition.id === termId.ARGS)) return;
  throw compileError(`Expected ${arityText(least, most)} but found ${count}.`, node);
}

function arityText(least: number, most: number): string {
  if (least === most) return `${least} argument${least === 1 ? "" : "s"}`;
  if (most === Infinity) return `${least} or more arguments`;
  return `between ${least} and ${most} arguments`;
}

function makeNode(
  definition: TermDefinition,
  source: JsonValue,
  parent: TermNode | undefined,
  frame: number | string,
): TermNode {
  return {
    definition,
    args: [],
    optargs: new Map(),
    constant: undefined,
    variables: [],
    parent,
    frame,
    source,
  };
}

function foldArray(node: TermNode): void {
  if (!node.args.every((arg) => arg.constant !== undefined)) return;
  node.constant = node.args.map((arg) => arg.constant ?? null);
}

/** The object's value if all its fields are literals and no error hides in it, which must come when the query runs. */
function constantObject(node: TermNode): Datum | undefined {
  const fields: [string, Datum][] = [];
  for (const [name, field] of node.optargs) {
    if (field.constant === undefined) return undefined;
    fields.push([name, field.constant]);
  }
  const object: DatumObject = objectOf(fields);
  if (!object.has("$reql_type$")) return object;
  try {
    return sanitizePseudoType(object);
  } catch (error) {
    if (error instanceof ReqlError) return undefined;
    throw error;
  }
}

function compileError(message: string, node: TermNode | undefined): ReqlError {
  return new ReqlError("logic", message, node, true);
}

function jsonType(value: JsonValue | undefined): string {
  if (value === null || value === undefined) return "NULL";
  if (Array.isArray(value)) return "ARRAY";
  return typeof value === "object"
    ? "OBJECT"
    : typeof value === "boolean"
      ? "BOOL"
      : typeof value === "number"
        ? "NUMBER"
        : "STRING";
}
