/** Literals, variables, functions and control flow. */
import type { Call } from "./call.js";
import { type Datum, isArray, isObject, maxval, minval, objectOf, record } from "./datum.js";
import { define } from "./define-term.js";
import { sanitizePseudoType } from "./pseudo-types.js";
import { logicError, ReqlError } from "./reql-error.js";
import type { TermNode } from "./term.js";
import type { TermDefinition } from "./term-definition.js";
import { termId } from "./term-ids.js";
import { isFunction, toDatum, truth, type Value, valueTypeName } from "./value.js";
import { emptyStats, mergeStats } from "./write-stats.js";

/** Terms below which `r.literal` may stand. */
const literalPlaces: ReadonlySet<number> = new Set([
  termId.UPDATE,
  termId.MERGE,
  termId.INSERT,
  termId.FILTER,
]);

export const coreTerms: TermDefinition[] = [
  define("DATUM", 0, (call) => call.node.constant ?? null),
  define("MAKE_ARRAY", [0, Infinity], (call) => times(call.count, (i) => call.datum(i))),
  define("MAKE_OBJ", 0, makeObject),
  define("VAR", 1, (call) => {
    for (let at = call.scope; at; at = at.outer) {
      if (at.variable === call.node.variables[0]) return at.value;
    }
    throw new Error("a variable passed the compiler but is not in force");
  }),
  define("IMPLICIT_VAR", 0, (call) => {
    for (let at = call.scope; at; at = at.outer) if (at.first) return at.value;
    throw logicError("r.row is not defined in this context.");
  }),
  define("FUNC", 2, (call) => call.makeFunction()),
  define("FUNCALL", [1, Infinity], callFunction),
  define("BRANCH", [3, Infinity], branch),
  define("OR", [0, Infinity], (call) => anyOf(call, true)),
  define("AND", [0, Infinity], (call) => anyOf(call, false)),
  define("NOT", 1, (call) => !truth(call.datum(0))),
  define("ARGS", 1, (call) => call.arg(0), { optargs: [] }),
  define("DEFAULT", 2, orDefault),
  define("ERROR", [0, 1], (call) => {
    if (call.count === 0) throw new ReqlError("logic", "Empty ERROR term outside a default block.");
    throw new ReqlError("user", call.string(0));
  }),
  define("FOR_EACH", 2, forEach, { deterministic: false }),
  define("MINVAL", 0, () => minval),
  define("MAXVAL", 0, () => maxval),
  define("TYPE_OF", 1, (call) => valueTypeName(call.arg(0))),
  define("LITERAL", [0, 1], (call) =>
    call.count === 0
      ? record({ $reql_type$: "LITERAL" })
      : record({ $reql_type$: "LITERAL", value: call.datum(0) }),
  ),
  define("RANDOM", [0, 2], random, { optargs: ["float"], deterministic: false }),
];

export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function makeObject(call: Call): Datum {
  const fields: [string, Datum][] = [];
  for (const [name, node] of call.node.optargs) {
    const value = toDatum(call.context.evaluate(node, call.scope), call.user);
    if (isLiteralObject(value) && !literalAllowed(call.node)) {
      throw call.error(name, sanitizeLiteral(value));
    }
    fields.push([name, value]);
  }
  const object = objectOf(fields);
  return object.has("$reql_type$") ? sanitizePseudoType(object, literalAllowed(call.node)) : object;
}

function isLiteralObject(value: Datum): boolean {
  return isObject(value) && value.get("$reql_type$") === "LITERAL";
}

function sanitizeLiteral(value: Datum): ReqlError {
  try {
    sanitizePseudoType(value as ReadonlyMap<string, Datum>);
  } catch (error) {
    if (error instanceof ReqlError) return error;
    throw error;
  }
  return logicError("Stray literal.");
}

function literalAllowed(node: TermNode): boolean {
  for (let at: TermNode | undefined = node; at; at = at.parent) {
    if (literalPlaces.has(at.definition.id)) return at.definition.id !== termId.INSERT;
  }
  return false;
}

function callFunction(call: Call): Value {
  const fn = call.arg(0);
  const args = times(call.count - 1, (i) => call.arg(i + 1));
  if (isFunction(fn)) return fn.call(args, call.context);
  return fn;
}

function branch(call: Call): Value {
  if (call.count % 2 === 0)
    throw logicError("Cannot call `branch` term with an even number of arguments.");
  for (let i = 0; i + 1 < call.count; i += 2) {
    if (truth(call.datum(i))) return call.arg(i + 1);
  }
  return call.arg(call.count - 1);
}

/** `or` stops at the first true value and `and` at the first false one; either gives the value it stopped at. */
function anyOf(call: Call, stopAt: boolean): Datum {
  let last: Datum = !stopAt;
  for (let i = 0; i < call.count; i += 1) {
    last = call.datum(i);
    if (truth(last) === stopAt) return last;
  }
  return last;
}

function orDefault(call: Call): Value {
  let failure: ReqlError;
  try {
    const value = call.arg(0);
    const datum = valueTypeName(value) === "SELECTION<OBJECT>" ? toDatum(value, call.user) : value;
    if (datum !== null) return value;
    failure = new ReqlError("nonExistence", "Expected type DATUM but found NULL.");
  } catch (error) {
    const absent = error instanceof ReqlError && error.kind === "nonExistence";
    if (!absent) throw error;
    failure = error;
  }
  const fallback = call.arg(1);
  return isFunction(fallback) ? fallback.call([failure.message], call.context) : fallback;
}

function forEach(call: Call): Datum {
  let stats = emptyStats;
  const write = call.function(1, "constant");
  call.sequence(0).forEach((item) => {
    const result = call.apply(write, item);
    for (const part of isArray(result) ? result : [result]) {
      if (!isObject(part)) {
        throw logicError("FOR_EACH expects one or more basic write queries.");
      }
      stats = mergeStats(stats, part);
    }
  });
  return stats;
}

function random(call: Call): Datum {
  const source = call.engine.random;
  if (call.count === 0) return source.next();
  const bounds = times(call.count, (i) => call.number(i));
  const [from, to] = bounds.length === 1 ? [0, bounds[0]!] : [bounds[0]!, bounds[1]!];
  const value = from + source.next() * (to - from);
  return call.flag("float") ? value : Math.floor(value);
}
