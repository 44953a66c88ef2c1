/** ReQL functions: compiled from a FUNC term, or made of a constant or a field's name. */
import { type Datum, isObject } from "./datum.js";
import type { QueryContext, Scope } from "./query-context.js";
import type { JsonValue } from "./read-json.js";
import { logicError } from "./reql-error.js";
import { isDeterministic, type TermNode } from "./term.js";
import { missingField, toDatum, type Value } from "./value.js";

export interface ReqlFunction {
  /** Undefined: takes any number of arguments. */
  readonly arity: number | undefined;
  readonly isDeterministic: boolean;
  call(args: readonly Value[], context: QueryContext): Value;
  /** What is stored of a function in an index or a write hook. */
  readonly stored?: StoredFunction;
}

/** A FUNC term as JSON, and the data of the outer variables that it uses. */
export interface StoredFunction {
  readonly term: JsonValue;
  readonly outer: readonly (readonly [number, Datum])[];
}

export class TermFunction implements ReqlFunction {
  readonly arity: number;
  readonly isDeterministic: boolean;
  readonly #node: TermNode;
  readonly #body: TermNode;
  readonly #scope: Scope | undefined;

  constructor(node: TermNode, scope: Scope | undefined) {
    this.#node = node;
    this.#body = node.args[0]!;
    this.#scope = scope;
    this.arity = node.variables.length;
    this.isDeterministic = isDeterministic(this.#body);
  }

  get stored(): StoredFunction {
    return { term: this.#node.source, outer: storableScope(this.#scope) };
  }

  call(args: readonly Value[], context: QueryContext): Value {
    const { variables } = this.#node;
    if (variables.length !== args.length && variables.length !== 0) {
      throw logicError(
        `Expected function with ${args.length} argument${args.length === 1 ? "" : "s"} but found function with ${variables.length} argument${variables.length === 1 ? "" : "s"}.`,
      );
    }
    let scope = this.#scope;
    for (const [i, variable] of variables.entries()) {
      scope = { variable, value: args[i] ?? null, outer: scope, first: i === 0 };
    }
    return context.evaluate(this.#body, scope);
  }
}

function storableScope(scope: Scope | undefined): [number, Datum][] {
  const outer: [number, Datum][] = [];
  for (let at = scope; at; at = at.outer) outer.push([at.variable, toDatum(at.value, "")]);
  return outer.reverse();
}

/** A stored function, ready to run. `compile` compiles its FUNC term. */
export function restoreFunction(
  stored: StoredFunction,
  compile: (term: JsonValue, visible: readonly number[]) => TermNode,
): TermFunction {
  let scope: Scope | undefined;
  for (const [variable, value] of stored.outer) {
    scope = { variable, value, outer: scope, first: false };
  }
  const visible = stored.outer.map(([variable]) => variable);
  return new TermFunction(compile(stored.term, visible), scope);
}

export function constantFunction(value: Datum): ReqlFunction {
  return { arity: undefined, isDeterministic: true, call: () => value };
}

/** Reads a field; a row without it has no value. */
export function fieldFunction(name: string): ReqlFunction {
  return {
    arity: 1,
    isDeterministic: true,
    call: ([row], context) => {
      const datum = toDatum(row ?? null, context.user);
      const value = isObject(datum) ? datum.get(name) : undefined;
      if (value === undefined) throw missingField(name, datum);
      return value;
    },
  };
}
