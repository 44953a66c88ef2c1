/**
 * The states of a table's capture, as a pure machine. Effects (feeds, walks, records) stand in table-capture.ts.
 *
 *                 opened, no base          walked
 *   opening ─────────────────────▶ copying ─────▶ live ◀──────────── repairing
 *      │  ▲                           │             │       walked        ▲
 *      │  └─────── lost ──────────────┘             └──lost──▶ hole ──────┘ opened, with a base
 *      └──────────────── opened, with a base ──▶ repairing ──lost──▶ hole
 *                                                    └──unrepairable──▶ copying
 *
 * Every state goes to dropped when the table is gone, and to stopped by a defect, which is opened as an `opening` is.
 * `hole` is an `opening` of a table that was exact before.
 */
import { ThinkbackError } from "../errors.js";
import type { CoverageRecord } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";

export type TableState =
  | "opening"
  | "copying"
  | "live"
  | "hole"
  | "repairing"
  | "stopped"
  | "dropped";

export type TableEvent =
  /** The feed is open. `hasBase`: the repository holds a base that a repair can start from. */
  | { kind: "opened"; at: Instant; hasBase: boolean }
  /** The walk has ended, and the feed is proven up to `at`. */
  | { kind: "walked"; at: Instant }
  /** What a repair would compare with cannot be read: the walk makes a new base instead. */
  | { kind: "unrepairable"; at: Instant }
  /** Changes were, or may have been, missed after `provenTo`. */
  | { kind: "lost"; provenTo: Instant; reason: string }
  /** A defect: the table cannot be watched as it is. */
  | { kind: "stopped"; provenTo: Instant; reason: string }
  /** The table is gone from the source. */
  | { kind: "dropped"; at: Instant };

/** A step of the machine: where it leads, and what the repository is told. */
export interface Step {
  state: TableState;
  record: CoverageRecord | undefined;
}

type Table = {
  [S in TableState]: {
    [K in TableEvent["kind"]]: (event: Extract<TableEvent, { kind: K }>) => Step;
  };
};

const drop = ({ at }: { at: Instant }): Step => ({
  state: "dropped",
  record: { state: "dropped", since: at },
});

const open = ({ at, hasBase }: { at: Instant; hasBase: boolean }): Step => {
  const state = hasBase ? "repairing" : "copying";
  return { state, record: { state, since: at } };
};

const copy = ({ at }: { at: Instant }): Step => ({
  state: "copying",
  record: { state: "copying", since: at },
});

const live = ({ at }: { at: Instant }): Step => ({
  state: "live",
  record: { state: "live", since: at },
});

const hole = ({ provenTo, reason }: { provenTo: Instant; reason: string }): Step => ({
  state: "hole",
  record: { state: "hole", since: provenTo, reason },
});

const stop = ({ provenTo, reason }: { provenTo: Instant; reason: string }): Step => ({
  state: "stopped",
  record: { state: "stopped", since: provenTo, reason },
});

/** Nothing was exact yet, so nothing is lost: the table is opened again. */
const reopen = (): Step => ({ state: "opening", record: undefined });

const impossible = (state: TableState, kind: string) => (): Step => {
  throw new ThinkbackError("internal", `a table that is ${state} cannot be ${kind}`);
};

/** Complete by its type: a state or an event without an outcome does not compile. */
const transitions: Table = {
  opening: {
    opened: open,
    walked: impossible("opening", "walked"),
    unrepairable: impossible("opening", "unrepairable"),
    lost: reopen,
    stopped: stop,
    dropped: drop,
  },
  copying: {
    opened: impossible("copying", "opened"),
    walked: live,
    unrepairable: impossible("copying", "unrepairable"),
    lost: reopen,
    stopped: stop,
    dropped: drop,
  },
  live: {
    opened: impossible("live", "opened"),
    walked: impossible("live", "walked"),
    unrepairable: impossible("live", "unrepairable"),
    lost: hole,
    stopped: stop,
    dropped: drop,
  },
  hole: {
    opened: open,
    walked: impossible("hole", "walked"),
    unrepairable: impossible("hole", "unrepairable"),
    lost: () => ({ state: "hole", record: undefined }),
    stopped: stop,
    dropped: drop,
  },
  repairing: {
    opened: impossible("repairing", "opened"),
    walked: live,
    // The hole that was being repaired goes on; coverage keeps its first instant and reason.
    lost: hole,
    unrepairable: copy,
    stopped: stop,
    dropped: drop,
  },
  stopped: {
    opened: open,
    walked: impossible("stopped", "walked"),
    unrepairable: impossible("stopped", "unrepairable"),
    lost: () => ({ state: "stopped", record: undefined }),
    stopped: stop,
    dropped: drop,
  },
  dropped: {
    opened: impossible("dropped", "opened"),
    walked: impossible("dropped", "walked"),
    unrepairable: impossible("dropped", "unrepairable"),
    lost: () => ({ state: "dropped", record: undefined }),
    stopped: () => ({ state: "dropped", record: undefined }),
    dropped: () => ({ state: "dropped", record: undefined }),
  },
};

/** The step that `event` makes from `state`. Throws on an event that cannot come in that state. */
export function step(state: TableState, event: TableEvent): Step {
  const outcome = transitions[state][event.kind] as (event: TableEvent) => Step;
  return outcome(event);
}
