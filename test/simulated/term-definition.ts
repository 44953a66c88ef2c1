import type { Call } from "./call.js";
import type { Value } from "./value.js";

/** What a term is: its number, what it takes, and how it is evaluated. */
export interface TermDefinition {
  readonly id: number;
  readonly name: string;
  /** The least and the greatest number of arguments. */
  readonly arity: readonly [number, number];
  readonly optargs: readonly string[];
  /** False for what may give another value next time. */
  readonly deterministic?: boolean;
  readonly evaluate: (call: Call) => Value;
}
