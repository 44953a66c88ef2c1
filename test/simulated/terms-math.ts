/** Arithmetic, comparison and bits. */
import type { Call } from "./call.js";
import { compare, type Datum, equal, isArray, isTime, textOf, typeName } from "./datum.js";
import { define } from "./define-term.js";
import { timeOf } from "./pseudo-types.js";
import { logicError } from "./reql-error.js";
import type { TermDefinition } from "./term-definition.js";
import type { TermName } from "./term-ids.js";
import { times } from "./terms-core.js";
import { expectNumber, expectType } from "./value.js";

export const mathTerms: TermDefinition[] = [
  chain("EQ", (a, b) => equal(a, b)),
  define("NE", [2, Infinity], (call) => !isChain(call, (a, b) => equal(a, b))),
  chain("LT", (a, b) => compare(a, b) < 0),
  chain("LE", (a, b) => compare(a, b) <= 0),
  chain("GT", (a, b) => compare(a, b) > 0),
  chain("GE", (a, b) => compare(a, b) >= 0),
  fold("ADD", add),
  fold("SUB", subtract),
  fold("MUL", multiply),
  fold("DIV", (a, b) => {
    const divisor = expectNumber(b);
    if (divisor === 0) throw logicError("Cannot divide by zero.");
    return finite(expectNumber(a) / divisor);
  }),
  define("MOD", 2, (call) => {
    const [a, b] = [call.integer(0), call.integer(1)];
    if (b === 0) throw logicError("Cannot take a number modulo 0.");
    return a % b || 0;
  }),
  define("FLOOR", 1, (call) => Math.floor(call.number(0))),
  define("CEIL", 1, (call) => Math.ceil(call.number(0))),
  define("ROUND", 1, (call) => Math.sign(call.number(0)) * Math.round(Math.abs(call.number(0)))),
  bits("BIT_AND", (a, b) => a & b),
  bits("BIT_OR", (a, b) => a | b),
  bits("BIT_XOR", (a, b) => a ^ b),
  bits("BIT_SAL", (a, b) => BigInt.asIntN(53, a << b)),
  bits("BIT_SAR", (a, b) => a >> b),
  define("BIT_NOT", 1, (call) => Number(~bitOperand(call.datum(0)))),
];

function chain(name: TermName, holds: (a: Datum, b: Datum) => boolean): TermDefinition {
  return define(name, [2, Infinity], (call) => isChain(call, holds));
}

function isChain(call: Call, holds: (a: Datum, b: Datum) => boolean): boolean {
  let left = call.datum(0);
  for (let i = 1; i < call.count; i += 1) {
    const right = call.datum(i);
    if (!holds(left, right)) return false;
    left = right;
  }
  return true;
}

function fold(name: TermName, step: (a: Datum, b: Datum) => Datum): TermDefinition {
  return define(name, [1, Infinity], (call) =>
    times(call.count, (i) => call.datum(i)).reduce(step),
  );
}

export function add(a: Datum, b: Datum): Datum {
  if (typeof a === "string") {
    if (typeof b !== "string") throw expectType(b, "STRING");
    return a + b;
  }
  if (isArray(a)) {
    if (!isArray(b)) throw expectType(b, "ARRAY");
    return [...a, ...b];
  }
  if (isTime(a)) return shiftTime(a, expectNumber(b));
  if (isTime(b)) return shiftTime(b, expectNumber(a));
  return finite(expectNumber(a) + expectNumber(b));
}

function subtract(a: Datum, b: Datum): Datum {
  if (!isTime(a)) return finite(expectNumber(a) - expectNumber(b));
  if (isTime(b)) return Number(a.get("epoch_time")) - Number(b.get("epoch_time"));
  return shiftTime(a, -expectNumber(b));
}

function shiftTime(time: ReadonlyMap<string, Datum>, seconds: number): Datum {
  return timeOf(Number(time.get("epoch_time")) + seconds, textOf(time.get("timezone")));
}

function multiply(a: Datum, b: Datum): Datum {
  if (isArray(a)) return times(expectNumber(b), () => a).flat();
  if (isArray(b)) return times(expectNumber(a), () => b).flat();
  return finite(expectNumber(a) * expectNumber(b));
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw logicError(
    `Non-finite number: ${String(value).replace("Infinity", "inf").replace("NaN", "nan")}`,
  );
}

function bits(name: TermName, operate: (a: bigint, b: bigint) => bigint): TermDefinition {
  return define(name, [1, Infinity], (call) => {
    const operands = times(call.count, (i) => bitOperand(call.datum(i)));
    return Number(operands.reduce(operate));
  });
}

function bitOperand(datum: Datum): bigint {
  const value = expectNumber(datum);
  if (!Number.isInteger(value)) throw logicError(`Number not an integer: ${value}`);
  if (value < -(2 ** 53) || value >= 2 ** 53) {
    throw logicError(`Integer too large: ${value} (type ${typeName(value)})`);
  }
  return BigInt(value);
}
