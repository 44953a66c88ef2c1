/** What of the past the options of a command ask for, and the look at the repository that answers it. */
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { lookAt, type RepositoryView } from "../repository/repository-view.js";
import type { Allowed } from "../restore/inexact.js";
import { planRestore, type RestorePlan } from "../restore/plan.js";
import type { RestoreRequest } from "../restore/request.js";
import { whenProven } from "../restore/when-proven.js";
import { gapOption } from "./gap-option.js";
import { type Output, waitingText } from "./output.js";

/** The options that say which instants will do. */
export interface InstantArguments {
  gap?: string;
  allowInexact?: boolean;
  nearest?: boolean;
}

/** The options of what is restored, shown or exported. */
export interface PastArguments extends InstantArguments {
  table: string[];
  db: string[];
}

/** Throws, with code "usage", for a value of --gap that cannot be read. */
export function allowedBy({
  gap,
  allowInexact,
  nearest,
}: InstantArguments): Allowed & { nearest: boolean } {
  return {
    ...gapOption(gap),
    allowInexact: allowInexact === true,
    nearest: nearest === true,
  };
}

/**
 * What the options ask for, without users and grants, and under the names of then.
 * @param at the newest instant that can be restored, if undefined
 * @param more what the command asks for beside it, or instead
 */
export function requestOf(
  args: PastArguments,
  at: Instant | undefined,
  more: Partial<RestoreRequest> = {},
): RestoreRequest {
  return {
    ...(at === undefined ? {} : { at }),
    tables: args.table,
    databases: args.db,
    renames: new Map(),
    ...allowedBy(args),
    withoutAccess: true,
    ...more,
  };
}

/** The plan of what is asked for, as soon as it is proven. */
export function planWhenProven(
  repository: Repository,
  request: RestoreRequest,
  output: Output,
): Promise<RestorePlan> {
  return lookWhenProven(repository, request.at, output, (view) => planRestore(view, request));
}

/**
 * What `look` finds in the repository, as soon as the instant is proven. It is said how long that may take.
 * @param waitMsMax it is not waited for longer than this
 */
export function lookWhenProven<T>(
  repository: Repository,
  at: Instant | undefined,
  output: Output,
  look: (view: RepositoryView) => Promise<T>,
  waitMsMax?: number,
): Promise<T> {
  const onWait = (ms: number) => output.note(waitingText(ms));
  const looking = () => lookAt(repository, look);
  return whenProven(repository, at, looking, systemClock, onWait, waitMsMax);
}
