import type { Call } from "./call.js";
import { Sequence } from "./sequence.js";
import type { TermDefinition } from "./term-definition.js";
import { type TermName, termId } from "./term-ids.js";
import { Grouped, isDatum, type Value } from "./value.js";

type Arity = number | readonly [number, number];

interface Traits {
  optargs?: readonly string[];
  deterministic?: boolean;
}

/** A term by its name on the wire. */
export function define(
  name: TermName,
  arity: Arity,
  evaluate: (call: Call) => Value,
  traits: Traits = {},
): TermDefinition {
  return {
    id: termId[name],
    name,
    arity: typeof arity === "number" ? [arity, arity] : arity,
    optargs: traits.optargs ?? [],
    ...(traits.deterministic === false && { deterministic: false }),
    evaluate,
  };
}

/** A term that, given grouped data, is run on each group. */
export function defineForGroups(
  name: TermName,
  arity: Arity,
  evaluate: (call: Call) => Value,
  traits: Traits = {},
): TermDefinition {
  const overGroups = (call: Call): Value => {
    const first = call.count > 0 ? call.arg(0) : null;
    if (!(first instanceof Grouped)) return evaluate(call.withFirst(first));
    const groups = first.groups.map(({ key, value }) => {
      const result = evaluate(call.withFirst(value));
      if (!isDatum(result) && !(result instanceof Sequence)) throw new Error(`${name} of a group`);
      return { key, value: result };
    });
    return new Grouped(groups);
  };
  return define(name, arity, overGroups, traits);
}
