import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { withLease } from "../repository/registers/lease.js";
import type { Pin } from "../repository/registers/pins.js";
import { openRepository } from "../repository/repository.js";
import { liveNameOf, nameAfter, nameBefore, parseTableName } from "../restore/beside.js";
import { pinInstant } from "../restore/pin.js";
import { lastBefore, type Swap, swap } from "../restore/promote.js";
import { whenProven } from "../restore/when-proven.js";
import type { Target } from "../rethinkdb/target.js";
import { storeAt } from "../storage/store-at.js";
import { accessToTarget, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { type Output, waitingText } from "./output.js";

export interface PromoteArguments extends TargetArguments {
  repo?: string;
  from?: string;
  back?: boolean;
}

/** @param name "db.table": the restored table, or with --from or --back the live one */
export async function promoteCommand(
  name: string,
  args: PromoteArguments,
  output: Output,
): Promise<void> {
  const now = systemClock.now();
  const target = targetAt(args);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  try {
    const asked = await swapOf(name, args, target, now);
    const { live } = asked;
    const pin = args.repo === undefined ? undefined : await pinBefore(args.repo, live, now, output);
    if (pin) output.line(`pinned ${pin.name} at ${formatInstant(pin.at)}`);
    const swapped = await swap(target, asked, systemClock);
    output.line(`${swapped.live} is what was ${swapped.promoted}`);
    if (swapped.kept) output.line(`what was ${swapped.live} until now is ${swapped.kept}`);
    for (const user of swapped.grants) output.line(`grants of user ${user} were carried over`);
    for (const text of swapped.differences) output.note(`thinkback: ${swapped.live}: ${text}`);
    output.note(
      "thinkback: a changefeed that was open before follows the table that was live then: open such feeds again",
    );
    output.result({
      ...swapped,
      kept: swapped.kept ?? null,
      pin: pin ? { name: pin.name, at: formatInstant(pin.at) } : null,
    });
  } finally {
    target.close();
  }
}

async function swapOf(
  text: string,
  { from, back }: PromoteArguments,
  target: Target,
  now: Instant,
): Promise<Swap> {
  const { db, name } = parseTableName(text, "the word");
  if (back) return swapBack(db, name, target, now);
  const next = from === undefined ? { db, name } : parseTableName(from, "--from");
  const live = from === undefined ? liveNameOf(name) : name;
  if (live === undefined) {
    throw new ThinkbackError("usage", `${text} does not say in which table's place it comes`, {
      hint: `give the live table, and this one by --from: thinkback promote ${db}.… --from ${text}`,
    });
  }
  if (next.db !== db || next.name === live) {
    throw new ThinkbackError("usage", `--from ${from} cannot take the place of ${text}`, {
      hint: "give another table of the same database; `thinkback restore --beside` makes one",
    });
  }
  return { live: { db, name: live }, next: next.name, aside: nameBefore(live, now) };
}

/** @param name the live table, or the one that was live before */
async function swapBack(db: string, name: string, target: Target, now: Instant): Promise<Swap> {
  const tables = (await target.tables()).filter((one) => one.db === db);
  const own = liveNameOf(name);
  const live = own ?? name;
  const next = own === undefined ? lastBefore(tables, live) : name;
  if (next === undefined) {
    throw new ThinkbackError("unknown", `no table was ${db}.${name} before`, {
      hint: `there is nothing to take back; tables there: ${tables.map((one) => one.name).join(", ")}`,
    });
  }
  return { live: { db, name: live }, next, aside: nameAfter(live, now) };
}

/** Pins the instant before the swap; if nothing is proven of it, the newest that can be restored. */
async function pinBefore(
  repo: string,
  { db, name }: { db: string; name: string },
  now: Instant,
  output: Output,
): Promise<Pin> {
  const repository = await openRepository(storeAt(repo));
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(repository.store, systemClock, thisProcess, randomUUID().slice(0, 8), work);
  const request = {
    name: `before-promote-${now}`,
    note: `before another table was promoted to ${db}.${name}`,
    allowInexact: true,
  };
  const pinAt = (at?: Instant) =>
    pinInstant(repository, at === undefined ? request : { ...request, at }, now, underLease);
  try {
    const onWait = (ms: number) => output.note(waitingText(ms));
    return (await whenProven(repository, now, () => pinAt(now), systemClock, onWait)).pin;
  } catch (error) {
    if (!(error instanceof ThinkbackError) || error.code !== "instant") throw error;
    const { pin } = await pinAt();
    output.note(
      `thinkback: ${error.message}; the newest instant that can be restored is pinned instead`,
    );
    return pin;
  }
}
