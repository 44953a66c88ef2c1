import { Call } from "./call.js";
import type { Engine } from "./engine.js";
import { timeOf } from "./pseudo-types.js";
import type { QueryContext, Scope } from "./query-context.js";
import { ReqlError } from "./reql-error.js";
import type { TermNode } from "./term.js";
import type { Value } from "./value.js";

/** The context of a query that comes now. */
export function queryContext(
  engine: Engine,
  user: string,
  optargs: ReadonlyMap<string, TermNode> = new Map(),
): QueryContext {
  const context: QueryContext = {
    engine,
    user,
    optargs,
    now: timeOf(engine.serverNow() / 1000, "+00:00"),
    evaluate: (node, scope) => evaluate(node, context, scope),
  };
  return context;
}

function evaluate(node: TermNode, context: QueryContext, scope: Scope | undefined): Value {
  if (node.constant !== undefined) return node.constant;
  try {
    return node.definition.evaluate(new Call(node, context, scope));
  } catch (error) {
    if (error instanceof ReqlError) {
      error.node ??= node;
      throw error;
    }
    if (error instanceof RangeError) {
      throw new ReqlError("resource", "The query is nested too deeply.", node);
    }
    throw error;
  }
}
