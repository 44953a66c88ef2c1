/**
 * Schemas of what is answered. They also decide what is: a field that no schema names is not sent. So a field that a
 * command prints later, and that quotes documents, does not reach a viewer by itself.
 */
import * as v from "valibot";

export { acknowledged, drills, verifications } from "./answers-of-operations.js";
export { tableDetails, tableReads } from "./answers-of-tables.js";

const text = v.string();
const count = v.number();
const instant = v.nullable(text);
/** What happened, in words that may quote documents: null for who may not read them. */
const reason = v.nullable(text);

const interval = v.object({
  class: text,
  from: text,
  to: text,
  lateMs: v.optional(count),
  reason: v.optional(reason),
  /** What somebody has noted of a gap. */
  acknowledged: v.optional(v.object({ note: text, at: text })),
  /** Where history is thinned: only the last ms of every span of so many ms is left, and the instants `kept`. */
  resolutionMs: v.optional(count),
  kept: v.optional(v.array(text)),
});

const openGap = v.nullable(v.object({ since: text, reason }));
const late = v.object({ spans: count, worstMs: count, last: instant });
const proof = v.nullable(v.object({ instant: text, done: text }));
const failedDrill = v.nullable(v.object({ ended: text, instant: text, ok: v.boolean() }));
const capture = v.object({ state: text, heardOf: instant });
const system = v.nullable(
  v.object({
    state: text,
    openGap,
    frontier: instant,
    behindMs: count,
    late,
    intervals: v.array(interval),
  }),
);

export const tableStatus = v.object({
  id: text,
  name: text,
  lane: count,
  state: text,
  documents: v.nullable(count),
  documentsExact: v.boolean(),
  /** How many there are at least and at most, if that is known and no exact count is. */
  documentsBetween: v.optional(v.pipe(v.array(count), v.length(2))),
  changes: count,
  logBytes: count,
  stopped: v.nullable(v.object({ since: text, reason })),
  openGap,
  firstRestorable: instant,
  lastRestorable: instant,
  provenTo: instant,
  damagedSince: instant,
  late,
  lastProven: proof,
  failedDrill,
  intervals: v.array(interval),
});

const lane = v.object({
  lane: count,
  inUse: v.boolean(),
  capture,
  writer: v.nullable(v.object({ host: text, process: count })),
  lastSegment: instant,
  tables: count,
});

const amount = v.object({ objects: count, bytes: count });
/** Copies of the repository, if several are served. */
const copy = v.object({
  location: text,
  logTo: v.optional(instant),
  behindMs: v.optional(v.nullable(count)),
  /** What it lacks of all that is there; null if that is not known. */
  missing: v.optional(v.nullable(amount)),
  stored: v.optional(amount),
  /** Why it cannot be reached. */
  error: v.optional(text),
});

export const pin = v.object({
  name: text,
  at: text,
  made: text,
  until: instant,
  note: v.nullable(text),
});
const listedPin = v.object({
  ...pin.entries,
  holds: v.boolean(),
  ended: v.boolean(),
  losses: v.array(v.object({ table: text, name: text, is: text })),
});
export const pins = v.object({ pins: v.array(listedPin) });

export const mark = v.object({ id: text, text, at: text, made: text });
export const marks = v.object({ marks: v.array(mark) });

export const silence = v.object({ what: text, since: text, until: text, reason: v.nullable(text) });
export const alarms = v.object({
  open: v.array(
    v.object({
      id: text,
      kind: text,
      severity: v.nullable(text),
      since: text,
      raised: text,
      silenced: v.boolean(),
      text: v.nullable(text),
      hint: v.nullable(text),
      docs: text,
    }),
  ),
  silences: v.array(silence),
  undelivered: v.record(v.string(), count),
});

/** The drill that has proven the most: so many of all tables that are captured. */
const widestProof = v.nullable(v.object({ instant: text, done: text, tables: count, of: count }));

export const status = v.object({
  repository: text,
  restorableUntil: instant,
  behindNowMs: v.nullable(count),
  restorableWithoutAccess: instant,
  catalog: system,
  access: system,
  missingServers: v.array(text),
  lastProven: widestProof,
  lastDrillFailed: failedDrill,
  capture,
  lanes: v.array(lane),
  lastSegment: instant,
  segments: count,
  foldedSegments: count,
  keep: v.nullable(v.unknown()),
  clockAheadMs: v.nullable(count),
  pins: v.array(listedPin),
  tables: v.array(tableStatus),
  copies: v.array(copy),
});

export const coverage = v.object({
  catalog: system,
  access: system,
  tables: v.array(v.object({ id: text, name: text, state: text, intervals: v.array(interval) })),
});
export const tables = v.object({ tables: v.array(tableStatus) });
export const processes = v.object({ capture, lanes: v.array(lane) });
export const stores = v.object({ stores: v.array(copy) });

export const points = v.object({
  table: v.nullable(text),
  from: text,
  to: text,
  points: v.array(
    v.object({
      id: text,
      kind: text,
      at: text,
      before: text,
      /** Of a burst, its last change, and how many it has. */
      until: instant,
      count: v.nullable(count),
      table: v.nullable(text),
      tables: v.nullable(v.array(text)),
      text,
    }),
  ),
  activity: v.object({
    spanMs: count,
    changes: v.array(count),
    /** Where only the sum over a stretch is known, and the counts are its even parts. */
    spread: v.array(v.object({ from: text, to: text })),
  }),
});

const instantClass = v.object({ class: text, reason, lateMs: v.nullable(count) });
/** What differs between two states of a table. */
export const counts = v.object({
  table: text,
  from: text,
  to: text,
  classes: v.object({ from: instantClass, to: v.nullable(instantClass) }),
  added: count,
  removed: count,
  changed: count,
});
const documents = v.array(
  v.object({
    key: v.unknown(),
    change: v.picklist(["added", "removed", "changed"]),
    fields: v.array(v.unknown()),
    before: v.unknown(),
    after: v.unknown(),
  }),
);
export const diff = v.object({ ...counts.entries, documents: v.optional(documents) });

export const documentThen = v.object({
  table: text,
  at: text,
  class: text,
  lateMs: v.nullable(count),
  captured: text,
  key: v.unknown(),
  document: v.unknown(),
});

const version = v.object({ captured: text, document: v.unknown() });
export const history = v.object({
  table: text,
  from: instant,
  to: text,
  key: v.unknown(),
  earlier: v.nullable(version),
  versions: v.array(
    v.object({
      ...version.entries,
      kind: text,
      /** The undo or rewind that has written it. */
      operation: v.nullable(v.object({ id: text, type: text })),
      fields: v.array(v.unknown()),
    }),
  ),
  lacking: v.array(v.object({ ...interval.entries, resolutionMs: v.nullable(count) })),
  proven: v.nullable(v.object({ from: text, to: text, complete: v.boolean() })),
});

const actor = v.object({ name: text, via: text });
const recoverySummary = {
  id: text,
  number: count,
  state: text,
  command: text,
  by: actor,
  createdAt: text,
  changedAt: text,
  confirm: v.boolean(),
  confirmedBy: v.optional(actor),
  needsApproval: v.boolean(),
  approvedBy: v.optional(actor),
  /** "confirmation", "approval", or both. */
  waitsFor: v.array(text),
  planIn: v.optional(count),
  attempt: count,
  worker: v.optional(v.object({ host: text, process: count })),
  progress: v.optional(v.object({ share: v.nullable(count), text: v.optional(text) })),
  error: v.optional(v.object({ code: text, message: v.optional(text), hint: v.optional(text) })),
};
/** Arguments, plan, result and words are there for who may read documents, because they may quote keys. */
export const recovery = v.object({
  ...recoverySummary,
  args: v.optional(v.array(text)),
  plan: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
});
export const recoveries = v.object({
  recoveries: v.array(v.object(recoverySummary)),
  /** Ids of those of which an object is damaged. */
  damaged: v.array(text),
});

export const audit = v.object({
  entries: v.array(
    v.object({
      at: text,
      actor,
      what: text,
      over: v.record(text, text),
      outcome: text,
      address: text,
    }),
  ),
  /** Give it as `after` for the entries that follow; null if there are none yet. */
  next: instant,
});

const change = {
  id: text,
  number: count,
  at: text,
  state: text,
  waitsFor: v.optional(v.array(text)),
  by: actor,
  attempt: count,
};
/** The data of an event of a recovery, for who may not read documents. */
export const seenEvent = v.object({
  ...change,
  progress: v.optional(v.object({ share: v.nullable(count) })),
  error: v.optional(v.object({ code: text })),
});
export const event = v.object({
  ...change,
  plan: v.optional(v.unknown()),
  result: v.optional(v.unknown()),
  progress: v.optional(v.object({ share: v.nullable(count), text })),
  error: v.optional(v.object({ code: text, message: text, hint: v.optional(text) })),
});

export const session = v.object({
  name: text,
  role: text,
  rights: v.array(text),
  /** When the token ends; null if it does not. */
  expires: instant,
  server: v.object({
    version: text,
    /** As --repo of the process that serves takes it, without secrets. */
    repository: text,
    targets: v.nullable(v.array(text)),
    seesLive: v.boolean(),
  }),
  now: text,
});

/** The data of an event of /v1/events. A digest that has changed says that the thing should be asked for again. */
export const look = v.object({
  now: text,
  /** Null, with what follows it, while the repository cannot be read. */
  status: v.nullable(
    v.object({
      repository: text,
      restorableUntil: instant,
      behindNowMs: v.nullable(count),
      lastProven: proof,
      capture: text,
      /** Of all tables, since each is captured. */
      changes: count,
      logBytes: count,
    }),
  ),
  openAlarms: v.nullable(count),
  digests: v.nullable(v.object({ tables: text, alarms: text, recoveries: text })),
});

/** A stream of server-sent events: the data of each is a recovery's state after a change. */
export const events = v.string();

/**
 * A result as a schema has it. A viewer is given no reasons, because the words of a server that has refused something
 * may quote a document; and no code of indexes and write hooks, because it may have values of documents in it.
 */
export function shown<S extends v.GenericSchema>(
  schema: S,
  result: unknown,
  seesContents: boolean,
): object {
  const parsed = v.parse(schema, result) as object;
  return seesContents ? parsed : (withoutWords(parsed) as object);
}

function withoutWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutWords);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, of]) => [
      name,
      name === "reason" || name === "code" ? null : withoutWords(of),
    ]),
  );
}
