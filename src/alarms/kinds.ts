/** Every kind of alarm: how grave it is, how long it has to last before it is raised, and what to do. docs/alarms.md */

/** Critical: history is being lost, or will be soon. A warning can wait for the morning. */
export type Severity = "critical" | "warning";

interface KindFacts {
  severity: Severity;
  /** How long it has to last before it is raised, in ms: what passes by itself wakes nobody. */
  afterMs: number;
  /** What to do, in a sentence. */
  hint: string;
}

const minuteMs = 60_000;

const kind = (severity: Severity, afterMs: number, hint: string): KindFacts => ({
  severity,
  afterMs,
  hint,
});

export const alarmKinds = {
  "store-away": kind(
    "critical",
    minuteMs,
    "bring the repository's store back: closed ticks wait in memory or in the spool until it takes them",
  ),
  "spool-full": kind(
    "critical",
    0,
    "bring the repository's store back, or give the spool more room with --spool-limit",
  ),
  "source-away": kind(
    "critical",
    minuteMs,
    "look after the RethinkDB servers, and the network between them and this machine",
  ),
  "tables-unproven": kind(
    "critical",
    5 * minuteMs,
    "see `thinkback status`, which says why each table is not proven",
  ),
  "table-unproven": kind(
    "warning",
    5 * minuteMs,
    "see `thinkback status`, which says why it is not proven",
  ),
  behind: kind(
    "critical",
    0,
    "see in `thinkback status` which table is not proven, and look after its shards and the load of the source",
  ),
  "capture-down": kind(
    "critical",
    minuteMs,
    "see the log of this process, and do what it says: nothing is captured until then",
  ),
  "survey-fails": kind(
    "critical",
    2 * minuteMs,
    "see that the capture's user may read the database rethinkdb, and that every server answers",
  ),
  "catalog-unreadable": kind(
    "warning",
    5 * minuteMs,
    "see that the capture's user may read the database rethinkdb",
  ),
  "servers-missing": kind(
    "warning",
    5 * minuteMs,
    "bring the servers back; start the capture again with --forget-server if they are gone for good",
  ),
  "lane-uncaptured": kind(
    "critical",
    5 * minuteMs,
    "start another `thinkback run --standby`: nobody captures the tables of that lane",
  ),
  "log-lost": kind(
    "critical",
    0,
    "find out who put an older copy in the repository's place or deleted objects; put back what you have",
  ),
  damaged: kind(
    "critical",
    0,
    "see `thinkback verify` for what is damaged, and `thinkback repair --dry-run` for what can be rebuilt",
  ),
  "pin-lost": kind(
    "warning",
    0,
    "see `thinkback pin list`, which says what of it is lost, and why",
  ),
  "maintenance-fails": kind(
    "warning",
    0,
    "run `thinkback maintain` by hand, and see what it says: the repository grows until it succeeds",
  ),
  "drill-failed": kind(
    "critical",
    0,
    "see `thinkback status` for what differed, and run `thinkback drill` again",
  ),
  "drill-overdue": kind("warning", 0, "run `thinkback drill`, and see why --drill-at does not"),
  "copy-behind": kind(
    "warning",
    15 * minuteMs,
    "see that the copy's store takes objects; the capture goes on without it, and catches up after",
  ),
  "clock-wrong": kind(
    "critical",
    minuteMs,
    "set the clock of this machine, or of the source, right",
  ),
  "key-overdue": kind(
    "warning",
    0,
    "run `thinkback key drill` with it, so that it is known still to open what is written",
  ),
  "mass-change": kind(
    "critical",
    0,
    "see `thinkback points` and `thinkback diff`; `thinkback rewind` or `undo` takes it back, if it was a mistake",
  ),
} as const satisfies Record<string, KindFacts>;

export type AlarmKind = keyof typeof alarmKinds;

export const kindNames = Object.keys(alarmKinds) as AlarmKind[];

export const isAlarmKind = (text: string): text is AlarmKind => Object.hasOwn(alarmKinds, text);

/** What is known of a kind; undefined for one that only a later version knows. */
export const factsOf = (text: string): KindFacts | undefined =>
  isAlarmKind(text) ? alarmKinds[text] : undefined;

/** Where the documents tell of a kind. */
export const pageOf = (text: string) => `docs/alarms.md#${text}`;
