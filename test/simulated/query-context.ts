import type { DatumObject } from "./datum.js";
import type { Engine } from "./engine.js";
import type { TermNode } from "./term.js";
import type { Value } from "./value.js";

/** Variables in force, innermost first. `first` marks the first variable of a function, which `r.row` means. */
export interface Scope {
  readonly variable: number;
  readonly value: Value;
  readonly outer: Scope | undefined;
  readonly first: boolean;
}

/** What is the same for all terms of one query. */
export interface QueryContext {
  readonly engine: Engine;
  readonly user: string;
  /** `r.now()`: when the query came. */
  readonly now: DatumObject;
  /** The options given to the query as a whole. */
  readonly optargs: ReadonlyMap<string, TermNode>;
  /** @throws {ReqlError} whose `node` is the innermost term that failed */
  evaluate(node: TermNode, scope: Scope | undefined): Value;
}
