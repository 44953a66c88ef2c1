/** `changes`: opening a feed. */
import type { Call } from "./call.js";
import type { ChangeSpec } from "./change-spec.js";
import { typeName } from "./datum.js";
import { define } from "./define-term.js";
import { Feed } from "./feed.js";
import { rangeBetween } from "./index-range.js";
import { logicError, opFailed, type ReqlError } from "./reql-error.js";
import { ArraySource, Sequence } from "./sequence.js";
import { StoredTable } from "./stored-table.js";
import type { TermDefinition } from "./term-definition.js";
import { notPermitted } from "./users.js";
import { expectInteger, Grouped, RowRef, toSequence, type Value } from "./value.js";

const DEFAULT_QUEUE_SIZE = 100_000;

export const changesTerms: TermDefinition[] = [
  define("CHANGES", 1, changes, {
    optargs: [
      "squash",
      "changefeed_queue_size",
      "include_initial",
      "include_offsets",
      "include_states",
      "include_types",
    ],
    deterministic: false,
  }),
];

function changes(call: Call): Value {
  const target = call.arg(0);
  checkSquash(call);
  const options = {
    includeStates: call.flag("include_states"),
    includeTypes: call.flag("include_types"),
    includeInitial: call.flag("include_initial"),
    queueSize: queueSize(call),
  };
  const spec = watched(call, target);
  const { table } = spec;
  if (table instanceof StoredTable) table.checkWatchable(call.user);
  else table.checkReadable(call.user, "single");
  if (call.flag("include_offsets")) throw logicError("Cannot include offsets for range subs.");
  const feed = new Feed(spec, options, call.user, () => stillAllowed(call, spec));
  return new Sequence(new ArraySource([]), { feed, unwatchable: "eager" });
}

function checkSquash(call: Call): void {
  const squash = call.datumOption("squash") ?? false;
  if (typeof squash === "boolean") return;
  const refusal =
    typeof squash !== "number"
      ? `Expected BOOL or NUMBER but found ${typeName(squash)}.`
      : squash < 0
        ? "Expected BOOL or a positive NUMBER but found a negative NUMBER."
        : undefined;
  if (refusal !== undefined) throw call.error("squash", logicError(refusal));
}

function queueSize(call: Call): number {
  const given = call.datumOption("changefeed_queue_size");
  if (given === undefined) return DEFAULT_QUEUE_SIZE;
  const size = expectInteger(given);
  if (size >= 1) return size;
  throw logicError(`Illegal changefeed queue size \`${size}\`.  (Must be >= 1.)`);
}

function watched(call: Call, target: Value): ChangeSpec {
  if (target instanceof RowRef) {
    const range = rangeBetween(undefined, target.key, target.key, { lower: false, upper: false });
    return { table: target.table, range, transforms: [], point: true };
  }
  if (target instanceof Grouped) throw logicError("Cannot call `changes` after `group`.");
  const { traits } = toSequence(target, call.user);
  if (traits.unwatchable === "concat_map")
    throw logicError("Cannot call `changes` after `concat_map`.");
  if (traits.changes) return traits.changes;
  throw call.error(0, logicError("Cannot call `changes` on an eager stream."));
}

/** What the server asks after every batch. */
function stillAllowed(call: Call, { table }: ChangeSpec): ReqlError | undefined {
  if (table.isSystem) return undefined;
  if (!call.engine.tables.has(table.id)) {
    return opFailed("There is no table with the given name / UUID.");
  }
  if (call.engine.users.allows(call.user, "read", table)) return undefined;
  return notPermitted(call.user, "read");
}
