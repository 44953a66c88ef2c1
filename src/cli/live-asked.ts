/** What undo and rewind are asked for, and the repository and the live tables that they work on. */
import type { PriceProfile } from "../costs/prices.js";
import { ThinkbackError } from "../errors.js";
import { durationMs } from "../instant.js";
import { type PlanRead, readPlan } from "../recovery/plan-file.js";
import { openRepository } from "../repository/repository.js";
import type { Allowed } from "../restore/inexact.js";
import type { Pace } from "../restore/pace.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import type { StoreUse } from "../storage/store-use.js";
import { ReadTimes } from "./change-estimate.js";
import {
  accessToTarget,
  addressesOf,
  type TargetArguments,
  targetAt,
  warningsOf,
} from "./connect.js";
import { gapOption } from "./gap-option.js";
import { stoppedIf } from "./live-end.js";
import {
  type Choice,
  choiceOf,
  choosesNone,
  type LiveTables,
  type TableArguments,
} from "./live-tables.js";
import type { Output } from "./output.js";
import { type PaceArguments, paceOf } from "./paced-target.js";
import { profileOf } from "./plan-costs.js";
import { stopOnSignals } from "./stop-signals.js";
import { closeIfStuck } from "./stopped-restore.js";
import { countedStore } from "./store-use-text.js";

export interface LiveChangeArguments extends TargetArguments, TableArguments, PaceArguments {
  repo: string;
  dryRun?: boolean;
  plan?: string;
  undoableFor: string;
  profile?: string;
  prices?: string;
  keepAdded?: boolean;
  gap?: string;
  allowInexact?: boolean;
}

/** What the arguments say, once they are read and checked. */
export interface Asked {
  choice: Choice;
  dryRun: boolean;
  /** Where a plan is written. */
  planPath: string | undefined;
  /** A plan that is to be carried out. Its whole file is checked. */
  given: { path: string; plan: PlanRead } | undefined;
  undoableMs: number;
  profile: PriceProfile | undefined;
  /** Documents that were made since stay. */
  keepAdded: boolean;
  /** Which instants are taken besides exact ones. */
  allowed: Allowed;
}

const dayMs = 86_400_000;

/**
 * Reads and checks the arguments before anything is asked of the server or the repository.
 * @param says what the given options say: the names of those that say what is meant, and of those that say how; with a
 * plan that is carried out none may be given
 * @throws {ThinkbackError} `usage` for what cannot be meant
 */
export async function askedOf(
  names: readonly string[],
  args: LiveChangeArguments,
  says: {
    tables: boolean;
    what: readonly string[];
    how: readonly string[];
    wanted: { text: string; options: string };
  },
): Promise<Asked> {
  addressesOf(accessToTarget(args), "target");
  const choice = await choiceOf(names, args);
  const { plan: path, dryRun = false, keepAdded = false, allowInexact = false } = args;
  const undoableMs = durationMs(args.undoableFor);
  if (undoableMs === undefined || undoableMs < dayMs) {
    throw new ThinkbackError("usage", `--undoable-for ${args.undoableFor} is not a day or longer`, {
      hint: "give a duration, such as 30d",
    });
  }
  paceOf(args, new AbortController().signal);
  const profile = await profileOf(args);
  const allowed = { ...gapOption(args.gap), allowInexact };
  const all = { choice, dryRun, undoableMs, profile, keepAdded, allowed };
  if (path !== undefined && says.what.length === 0) {
    const how = [
      ...says.how,
      ...(keepAdded ? ["--keep-added"] : []),
      ...(allowInexact ? ["--allow-inexact"] : []),
      ...(args.gap === undefined ? [] : ["--gap"]),
      ...(choice.selects ? ["--key, --between, --where or --tenant"] : []),
    ];
    if (how.length > 0) throw saysItself(how);
    return { ...all, planPath: undefined, given: { path, plan: await readPlan(path) } };
  }
  if (path !== undefined && !dryRun) throw saysItself(says.what);
  if (says.what.length === 0) {
    throw new ThinkbackError("usage", `it is not said ${says.wanted.text}`, {
      hint: `give ${says.wanted.options}, or --plan with a plan that was made before`,
    });
  }
  if (choosesNone(choice) && !says.tables) {
    throw new ThinkbackError("usage", "it is not said which tables are meant", {
      hint: "give db.table, several of them, --db, or --tenant with a file that names tables",
    });
  }
  return { ...all, planPath: path, given: undefined };
}

function saysItself(given: readonly string[]): ThinkbackError {
  return new ThinkbackError(
    "usage",
    `a plan says itself what is done, and ${given.join(", ")} is given beside it`,
    { hint: "leave it out; to make a plan, add --dry-run and give --plan a new file" },
  );
}

/** A repository, and the live tables that are to be changed. */
export interface Live extends LiveTables {
  /** Reads the tables of `target`, and takes the time. */
  reads: ReadTimes;
  signal: AbortSignal;
  pace: Pace | undefined;
  args: LiveChangeArguments;
  /** What was sent to the store so far. */
  use: StoreUse;
  output: Output;
}

/** Runs `work` with the repository and the server; closes the connection after it. */
export async function withLive(
  args: LiveChangeArguments,
  given: Output,
  work: (live: Live) => Promise<void>,
): Promise<void> {
  const target = targetAt(args);
  const { store, use, output } = countedStore(args.repo, given);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  const signal = stopOnSignals((which) =>
    output.note(`thinkback: ${which}: ending; what was written stays, and is recorded`),
  );
  const ended = new AbortController();
  void closeIfStuck(target, signal, ended.signal);
  try {
    const repository = await openRepository(store);
    refuseWithoutReader(repository.store);
    const tables = await target.tables();
    const reads = new ReadTimes(target);
    const pace = paceOf(args, signal);
    await work({ repository, target, tables, reads, signal, pace, args, use, output });
  } catch (error) {
    throw stoppedIf(signal, error);
  } finally {
    ended.abort(new Error("the command has ended"));
    target.close();
  }
}
