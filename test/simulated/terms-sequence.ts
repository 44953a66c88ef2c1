/** Sequences: mapping, filtering, slicing, joining. */
import type { Call } from "./call.js";
import type { ChangeSpec } from "./change-spec.js";
import { BinaryDatum, compare, type Datum, equal, isObject } from "./datum.js";
import { define, defineForGroups } from "./define-term.js";
import { logicError, ReqlError } from "./reql-error.js";
import type { ReqlFunction } from "./reql-function.js";
import { ArraySource, GeneratedSource, Sequence, SliceSource, UnionSource } from "./sequence.js";
import type { TermDefinition } from "./term-definition.js";
import { times } from "./terms-core.js";
import { isFunction, toDatum, toSequence, truth, type Value } from "./value.js";

export const sequenceTerms: TermDefinition[] = [
  defineForGroups("MAP", [2, Infinity], map),
  defineForGroups("CONCAT_MAP", 2, concatMap),
  defineForGroups("FILTER", 2, filter, { optargs: ["default"] }),
  defineForGroups("LIMIT", 2, (call) => {
    const count = call.integer(1);
    if (count < 0)
      throw call.error(1, logicError("LIMIT takes a non-negative argument (got " + `${count})`));
    return slice(call, 0, count);
  }),
  defineForGroups("SKIP", 2, (call) => slice(call, call.integer(1), Infinity)),
  defineForGroups("SLICE", [2, 3], sliceTerm, { optargs: ["left_bound", "right_bound"] }),
  defineForGroups("NTH", 2, nth),
  define("UNION", [0, Infinity], union, { optargs: ["interleave"] }),
  define("RANGE", [0, 2], range),
  define("APPEND", 2, (call) => [...call.array(0), call.datum(1)]),
  define("PREPEND", 2, (call) => [call.datum(1), ...call.array(0)]),
  define("DIFFERENCE", 2, (call) => {
    const removed = call.array(1);
    return call.array(0).filter((item) => !removed.some((other) => equal(item, other)));
  }),
  defineForGroups("SAMPLE", 2, sample, { deterministic: false }),
  defineForGroups("DISTINCT", 1, distinct, { optargs: ["index"] }),
  defineForGroups("IS_EMPTY", 1, (call) => call.sequence(0).source.next() === undefined),
  defineForGroups("CONTAINS", [1, Infinity], contains),
];

function map(call: Call): Value {
  if (call.count > 2) return mapSeveral(call);
  const fn = call.function(1);
  return call.sequence(0).transformed((row, emit) => emit(call.apply(fn, row)));
}

function mapSeveral(call: Call): Value {
  const fn = call.function(call.count - 1, "constant");
  const parts = times(call.count - 1, (i) => call.sequence(i));
  const rows: Datum[] = [];
  for (;;) {
    const items = parts.map((part) => part.source.next());
    if (items.includes(undefined)) return Sequence.ofArray(rows);
    rows.push(call.apply(fn, ...items.map((item) => item ?? null)));
  }
}

function concatMap(call: Call): Value {
  const fn = call.function(1, "constant");
  const mapped = call.sequence(0).transformed((row, emit) => {
    const result = fn.call([row], call.context);
    for (const item of toSequence(result, call.user).toArray()) emit(item);
  });
  const { changes: _, ...traits } = mapped.traits;
  return new Sequence(mapped.source, { ...traits, unwatchable: "concat_map" });
}

function filter(call: Call): Value {
  const value = call.arg(1);
  const predicate: ReqlFunction | Datum = isFunction(value) ? value : toDatum(value, call.user);
  const fallback = call.node.optargs.get("default");
  return call.sequence(0).transformed(
    (row, emit) => {
      if (passes(call, predicate, row, fallback && (() => call.datumOption("default") ?? null)))
        emit(row);
    },
    { selection: true },
  );
}

function passes(
  call: Call,
  predicate: ReqlFunction | Datum,
  row: Datum,
  fallback: (() => Datum) | undefined,
): boolean {
  try {
    const isReql = typeof predicate === "object" && predicate !== null && "call" in predicate;
    const verdict = isReql ? call.apply(predicate, row) : predicate;
    return isObject(verdict) ? matches(row, verdict) : truth(verdict);
  } catch (error) {
    if (!(error instanceof ReqlError) || error.kind !== "nonExistence") throw error;
    return fallback === undefined ? false : truth(fallback());
  }
}

/** Whether a row has all fields of a pattern, objects compared the same way below. */
function matches(row: Datum, pattern: ReadonlyMap<string, Datum>): boolean {
  if (!isObject(row)) return false;
  for (const [name, wanted] of pattern) {
    const value = row.get(name);
    if (value === undefined) return false;
    const below = isObject(wanted) && isObject(value) && !wanted.has("$reql_type$");
    if (below ? !matches(value, wanted) : !equal(value, wanted)) return false;
  }
  return true;
}

function sliceTerm(call: Call): Value {
  let from = call.integer(1);
  let to = call.has(2) ? call.integer(2) : Infinity;
  if (call.stringOption("left_bound") === "open") from += 1;
  if (call.has(2) && call.stringOption("right_bound") === "closed") to += 1;
  if (from >= 0 && to >= 0) return slice(call, from, to);
  const items = call.sequence(0).toArray();
  const end = call.stringOption("right_bound") === "closed" && to === 0 ? items.length : to;
  return items.slice(from, end === Infinity ? undefined : end);
}

function slice(call: Call, from: number, to: number): Value {
  const target = call.arg(0);
  const datum = target instanceof BinaryDatum ? target : undefined;
  if (datum) return new BinaryDatum(datum.bytes.subarray(from, Math.min(to, datum.bytes.length)));
  const sequence = toSequence(target, call.user);
  if (sequence.traits.feed) {
    sequence.traits.feed.limitTo(to - from);
    return sequence;
  }
  const { isArray: array, selection } = sequence.traits;
  return new Sequence(new SliceSource(sequence.source, from, to), {
    ...(array && { isArray: array }),
    ...(selection && { selection }),
    unwatchable: "slice",
  });
}

/** `nth` and a bracket with a number. */
export function nth(call: Call): Value {
  const index = call.integer(1);
  const outOfBounds = new ReqlError("nonExistence", `Index out of bounds: ${index}`);
  const sequence = call.sequence(0);
  if (index < 0) {
    const item = sequence.toArray().at(index);
    if (item === undefined) throw outOfBounds;
    return item;
  }
  for (let i = 0; ; i += 1) {
    const item = sequence.source.next();
    if (item === undefined) throw outOfBounds;
    if (i === index) return item;
  }
}

function union(call: Call): Value {
  const parts = times(call.count, (i) => call.sequence(i));
  const feed = parts.at(-1)?.traits.feed;
  if (feed && call.datumOption("interleave") === false) {
    feed.follow(parts.slice(0, -1).flatMap((part) => part.toArray()));
    return new Sequence(new ArraySource([]), { feed, unwatchable: "union" });
  }
  const source = new UnionSource(parts.map((part) => part.source));
  const changes = unionOf(parts.map((part) => part.traits.changes));
  return new Sequence(source, {
    isArray: parts.every((part) => part.traits.isArray === true),
    ...(changes ? { changes } : { unwatchable: "union" }),
  });
}

/** What is watched of a union of ranges of one table's primary key; other unions cannot be watched here. */
function unionOf(parts: (ChangeSpec | undefined)[]): ChangeSpec | undefined {
  const [first, ...others] = parts;
  const isRange = (part: ChangeSpec | undefined) =>
    part?.table === first?.table && part?.range.index === undefined && !part?.codes;
  const isPlain = parts.every((part) => isRange(part) && part?.transforms.length === 0);
  return first && isPlain ? { ...first, more: others.map((part) => part!.range) } : undefined;
}

function range(call: Call): Value {
  const from = call.count === 2 ? call.integer(0) : 0;
  const to = call.count === 0 ? Infinity : call.integer(call.count - 1);
  let at = from;
  const next = () => (at < to ? at++ : undefined);
  return new Sequence(new GeneratedSource(next, () => at >= to), { unwatchable: "range" });
}

function sample(call: Call): Value {
  const items = call.sequence(0).toArray();
  const count = Math.min(call.integer(1), items.length);
  for (let i = 0; i < count; i += 1) {
    const other = i + call.engine.random.below(items.length - i);
    [items[i], items[other]] = [items[other]!, items[i]!];
  }
  return items.slice(0, count);
}

function distinct(call: Call): Value {
  const index = call.stringOption("index");
  const rows = call.sequence(0).toArray();
  const values =
    index === undefined
      ? rows
      : rows.flatMap((row) => (isObject(row) ? [row.get(index) ?? []].flat() : []));
  return uniqueSorted(values);
}

export function uniqueSorted(values: readonly Datum[]): Datum[] {
  const sorted = [...values].sort(compare);
  return sorted.filter((value, i) => i === 0 || !equal(value, sorted[i - 1]!));
}

function contains(call: Call): Value {
  const items = call.sequence(0).toArray();
  return times(call.count - 1, (i) => call.arg(i + 1)).every((wanted) =>
    items.some((item) =>
      isFunction(wanted)
        ? truth(call.apply(wanted, item))
        : equal(item, toDatum(wanted, call.user)),
    ),
  );
}
