import { type Datum, isArray, isObject } from "./datum.js";
import type { Engine } from "./engine.js";
import { prettyText } from "./json-text.js";
import type { QueryContext, Scope } from "./query-context.js";
import { logicError, ReqlError } from "./reql-error.js";
import {
  constantFunction,
  fieldFunction,
  type ReqlFunction,
  TermFunction,
} from "./reql-function.js";
import type { Sequence } from "./sequence.js";
import type { TermNode } from "./term.js";
import { termId } from "./term-ids.js";
import {
  DatabaseRef,
  expectInteger,
  expectNumber,
  expectString,
  expectType,
  isDatum,
  isFunction,
  TableRef,
  toDatum,
  toSequence,
  truth,
  type Value,
  valueTypeName,
} from "./value.js";

/** One evaluation of a term: its arguments and options, evaluated when they are asked for. */
export class Call {
  readonly node: TermNode;
  readonly context: QueryContext;
  readonly scope: Scope | undefined;
  readonly #args: TermNode[];
  /** Set when `r.args` is among the arguments: all of them, evaluated. */
  readonly #expanded: Value[] | undefined;
  readonly #first: Value | undefined;

  /** @param first takes the place of the first argument, for terms that are run once for each group */
  constructor(node: TermNode, context: QueryContext, scope: Scope | undefined, first?: Value) {
    this.#first = first;
    this.node = node;
    this.context = context;
    this.scope = scope;
    this.#args = node.args;
    if (node.args.some((arg) => arg.definition.id === termId.ARGS)) {
      this.#expanded = this.#expandArgs();
    }
  }

  get engine(): Engine {
    return this.context.engine;
  }

  get user(): string {
    return this.context.user;
  }

  get count(): number {
    return this.#expanded?.length ?? this.#args.length;
  }

  has(index: number): boolean {
    return index < this.count;
  }

  /** The same term with another first argument. */
  withFirst(first: Value): Call {
    return new Call(this.node, this.context, this.scope, first);
  }

  arg(index: number): Value {
    if (index === 0 && this.#first !== undefined) return this.#first;
    if (this.#expanded) return this.#expanded[index]!;
    return this.context.evaluate(this.#args[index]!, this.scope);
  }

  /** The argument's term, for options that depend on how it is written. */
  argNode(index: number): TermNode {
    return this.#args[index] ?? this.node;
  }

  datum(index: number): Datum {
    const value = this.arg(index);
    return this.at(index, () => toDatum(value, this.user));
  }

  string(index: number): string {
    const datum = this.datum(index);
    return this.at(index, () => expectString(datum));
  }

  number(index: number): number {
    const datum = this.datum(index);
    return this.at(index, () => expectNumber(datum));
  }

  integer(index: number): number {
    const datum = this.datum(index);
    return this.at(index, () => expectInteger(datum));
  }

  array(index: number): readonly Datum[] {
    const datum = this.datum(index);
    if (isArray(datum)) return datum;
    throw this.error(index, expectType(datum, "ARRAY"));
  }

  object(index: number): ReadonlyMap<string, Datum> {
    const datum = this.datum(index);
    if (isObject(datum)) return datum;
    throw this.error(index, expectType(datum, "OBJECT"));
  }

  sequence(index: number): Sequence {
    const value = this.arg(index);
    return toSequence(value, this.user);
  }

  table(index: number): TableRef {
    const value = this.arg(index);
    if (value instanceof TableRef && !value.isSlice) return value;
    throw this.error(index, logicError(`Expected type TABLE but found ${describe(value)}`));
  }

  database(index: number): DatabaseRef {
    const value = this.arg(index);
    if (value instanceof DatabaseRef) return value;
    throw this.error(index, logicError(`Expected type DATABASE but found ${describe(value)}`));
  }

  /** @param shortcut what a value that is no function stands for: itself, or a field's name */
  function(index: number, shortcut?: "constant" | "field"): ReqlFunction {
    const value = this.arg(index);
    if (isFunction(value)) return value;
    if (shortcut === "constant") return constantFunction(toDatum(value, this.user));
    if (shortcut === "field" && typeof value === "string") return fieldFunction(value);
    const found = isDatum(value) ? `DATUM:\n${prettyText(value)}` : describe(value);
    throw this.error(index, logicError(`Expected type FUNCTION but found ${found}`));
  }

  /** The function that an argument's term is, with nothing evaluated. */
  lazyFunction(node: TermNode): ReqlFunction {
    const value = this.context.evaluate(node, this.scope);
    return isFunction(value) ? value : constantFunction(toDatum(value, this.user));
  }

  /** Runs a function of data to data. */
  apply(fn: ReqlFunction, ...args: Value[]): Datum {
    return toDatum(fn.call(args, this.context), this.user);
  }

  /** The term's own option, or the query's of that name. */
  optarg(name: string): Value | undefined {
    const own = this.node.optargs.get(name);
    if (own) return this.context.evaluate(own, this.scope);
    const whole = this.context.optargs.get(name);
    return whole && this.context.evaluate(whole, undefined);
  }

  stringOption(name: string): string | undefined {
    const datum = this.datumOption(name);
    return datum === undefined ? undefined : this.at(name, () => expectString(datum));
  }

  datumOption(name: string): Datum | undefined {
    const value = this.optarg(name);
    return value === undefined ? undefined : toDatum(value, this.user);
  }

  flag(name: string): boolean {
    const datum = this.datumOption(name);
    return datum !== undefined && truth(datum);
  }

  /** An error that the backtrace shows at an argument or option. */
  error(place: number | string, error: ReqlError): ReqlError {
    const node = typeof place === "string" ? this.node.optargs.get(place) : this.#args[place];
    error.node ??= node;
    return error;
  }

  at<T>(place: number | string, check: () => T): T {
    try {
      return check();
    } catch (error) {
      throw error instanceof ReqlError ? this.error(place, error) : error;
    }
  }

  makeFunction(): ReqlFunction {
    return new TermFunction(this.node, this.scope);
  }

  #expandArgs(): Value[] {
    return this.#args.flatMap((arg) => {
      const value = this.context.evaluate(arg, this.scope);
      if (arg.definition.id !== termId.ARGS) return [value];
      const items = toDatum(value, this.user);
      if (!isArray(items)) throw expectType(items, "ARRAY");
      return [...items];
    });
  }
}

function describe(value: Value): string {
  const name = value instanceof DatabaseRef ? "DATABASE" : valueTypeName(value);
  return `${name}:\nVALUE ${name}`;
}
