/**
 * The states of a table's capture, as a pure machine. Effects (feeds, scans, records) stand in table-capture.ts.
 *
 *                 opened, no base          proven
 *   opening ─────────────────────▶ copying ─────▶ live ◀──────────── resyncing
 *      │  ▲                           │             │       proven         ▲
 *      │  └─────── lost ──────────────┘             └──lost──▶ gap ──────┘ opened, with a base
 *      └──────────────── opened, with a base ──▶ resyncing ──lost──▶ gap
 *                                                    └──mustCopy──▶ copying
 *
 * `opening` goes to `live` at once if the feed goes on where the writer before ended. Every state goes to `dropped`
 * when the table is gone, and to `stopped` by a defect. A stopped table is opened like one in `opening`. `gap` is the
 * `opening` of a table that was exact before.
 */
import { ThinkbackError } from "../errors.js";
import type { CoverageRecord } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";

export type TableState =
  | "opening"
  | "copying"
  | "live"
  | "gap"
  | "resyncing"
  | "stopped"
  | "dropped";

export type TableEvent =
  /** The feed is open. `hasBase`: the repository holds a base that a resync can start from. */
  | { kind: "opened"; at: Instant; hasBase: boolean }
  /** The feed was open before the writer before gave its last proof, of `since`. Until `at` it was not appended. */
  | { kind: "continued"; since: Instant; at: Instant }
  /** The scan has ended, and the feed is proven up to `at`. */
  | { kind: "proven"; at: Instant }
  /** What a resync would compare with cannot be read: the scan makes a new base instead. */
  | { kind: "mustCopy"; at: Instant }
  /** Changes were, or may have been, missed after `provenTo`. */
  | { kind: "lost"; provenTo: Instant; reason: string }
  /** A defect: the table cannot be watched as it is. */
  | { kind: "stopped"; provenTo: Instant; reason: string }
  /** The table is gone from the source. */
  | { kind: "dropped"; at: Instant };

/** A step of the machine: the state that it leads to, and the record that the repository gets. */
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
  const state = hasBase ? "resyncing" : "copying";
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

const goOn = ({ since, at }: { since: Instant; at: Instant }): Step => ({
  state: "live",
  record: { state: "continued", since, at },
});

const gap = ({ provenTo, reason }: { provenTo: Instant; reason: string }): Step => ({
  state: "gap",
  record: { state: "gap", since: provenTo, reason },
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

/** The type makes this complete: a state or an event without an outcome does not compile. */
const transitions: Table = {
  opening: {
    opened: open,
    continued: goOn,
    proven: impossible("opening", "proven"),
    mustCopy: impossible("opening", "mustCopy"),
    lost: reopen,
    stopped: stop,
    dropped: drop,
  },
  copying: {
    opened: impossible("copying", "opened"),
    continued: impossible("copying", "continued"),
    proven: live,
    mustCopy: impossible("copying", "mustCopy"),
    lost: reopen,
    stopped: stop,
    dropped: drop,
  },
  live: {
    opened: impossible("live", "opened"),
    continued: impossible("live", "continued"),
    proven: impossible("live", "proven"),
    mustCopy: impossible("live", "mustCopy"),
    lost: gap,
    stopped: stop,
    dropped: drop,
  },
  gap: {
    opened: open,
    continued: impossible("gap", "continued"),
    proven: impossible("gap", "proven"),
    mustCopy: impossible("gap", "mustCopy"),
    lost: () => ({ state: "gap", record: undefined }),
    stopped: stop,
    dropped: drop,
  },
  resyncing: {
    opened: impossible("resyncing", "opened"),
    continued: impossible("resyncing", "continued"),
    proven: live,
    // The gap that was being resynced goes on; coverage keeps its first instant and reason.
    lost: gap,
    mustCopy: copy,
    stopped: stop,
    dropped: drop,
  },
  stopped: {
    opened: open,
    continued: impossible("stopped", "continued"),
    proven: impossible("stopped", "proven"),
    mustCopy: impossible("stopped", "mustCopy"),
    lost: () => ({ state: "stopped", record: undefined }),
    stopped: stop,
    dropped: drop,
  },
  dropped: {
    opened: impossible("dropped", "opened"),
    continued: impossible("dropped", "continued"),
    proven: impossible("dropped", "proven"),
    mustCopy: impossible("dropped", "mustCopy"),
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
