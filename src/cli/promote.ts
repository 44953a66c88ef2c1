import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import type { Pin } from "../repository/registers/pins.js";
import { openRepository } from "../repository/repository.js";
import { liveNameOf, nameAfter, nameBefore, parseTableName } from "../restore/beside.js";
import { lastBefore, planSwap, type Swap, type SwapPlan, swap } from "../restore/promote.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { storeAt } from "../storage/store-at.js";
import { accessToTarget, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { counted, formatCount, formatNames, type Output } from "./output.js";
import { pinBefore } from "./pin-before.js";
import { stopOnSignals } from "./stop-signals.js";
import { endingBefore, tellEnding } from "./tell-progress.js";

/** How long indexes are waited for before a note says so. */
const quietMs = 1000;

export interface PromoteArguments extends TargetArguments {
  repo?: string;
  from?: string;
  back?: boolean;
  dryRun?: boolean;
  force?: boolean;
}

/** @param name "db.table": the restored table, or with --from or --back the live one */
export async function promoteCommand(
  name: string,
  args: PromoteArguments,
  output: Output,
): Promise<void> {
  const target = targetAt(args);
  for (const text of warningsOf(accessToTarget(args), "target")) output.note(`thinkback: ${text}`);
  try {
    const before = await promotedBefore(target, endingBefore());
    if (before) {
      output.line(`${before.live} was promoted by an earlier run`);
      output.result({ ...before, dryRun: false });
      return;
    }
    const asked = await swapOf(name, args, target);
    const plan = await planSwap(target, asked);
    const live = `${plan.live.db}.${plan.live.name}`;
    output.line(documentsText(plan));
    // What was live before the last swap is what the operator has chosen to go back to.
    if (!args.force && !args.back) refuseLacking(plan);
    for (const text of plan.differences) output.note(`thinkback: ${live} will differ: ${text}`);
    if (args.dryRun) {
      printPlan(plan, asked.asideAt(systemClock.now()), output);
      return;
    }
    await indexesBuilt(target, { db: plan.live.db, name: plan.next }, output);
    const now = systemClock.now();
    const pin =
      args.repo === undefined ? undefined : await pinnedBefore(args.repo, plan, now, output);
    if (pin) output.line(`pinned ${pin.name} at ${formatInstant(pin.at)}`);
    await tellEnding({ live, id: plan.promoted.id });
    // Between the renames the live name names no table: a signal does not end the process there.
    stopOnSignals(
      (signal) =>
        output.note(
          `thinkback: ${signal}: the swap is done first; send the signal once more to end at once`,
        ),
      ["SIGINT", "SIGTERM", "SIGHUP"],
    );
    const swapped = await swap(target, plan, asked.asideAt(now), systemClock);
    output.line(`${live} is what was ${swapped.promoted}`);
    output.line(keptText(live, swapped.kept, plan.beside));
    for (const user of plan.grants) output.line(`grants of user ${user} were carried over`);
    output.note(
      "thinkback: a changefeed that was open before follows the table that was live then: open such feeds again",
    );
    output.result({
      ...swapped,
      kept: swapped.kept ?? null,
      ...foundIn(plan),
      dryRun: false,
      pin: pin ? { name: pin.name, at: formatInstant(pin.at) } : null,
    });
  } finally {
    target.close();
  }
}

/** What an earlier run of this promote has told, if the table that it promoted has the live name now. */
async function promotedBefore(
  target: Target,
  told: { live?: string; id?: string } | undefined,
): Promise<{ live: string; id: string } | undefined> {
  const { live, id } = told ?? {};
  if (live === undefined || id === undefined) return undefined;
  const tables = await target.tables();
  const isLive = tables.some((one) => one.id === id && `${one.db}.${one.name}` === live);
  return isLive ? { live, id } : undefined;
}

function documentsText({ live, next, documents }: SwapPlan): string {
  const promoted = `${live.db}.${next} has ${counted(documents.promoted, "document")}`;
  if (documents.live === null) return promoted;
  return `${promoted}, ${live.db}.${live.name} has ${formatCount(documents.live)}`;
}

/** The documents that the table lacks would be gone under the live name. */
function refuseLacking({ live, next, lacking, documents }: SwapPlan): void {
  if (lacking === undefined) return;
  const of = documents.live === null ? "" : ` of ${formatCount(documents.live)}`;
  throw new ThinkbackError(
    "target",
    `${live.db}.${next} would take the place of ${live.db}.${live.name} with ${formatCount(documents.promoted)}${of} documents: ${lacking}`,
    {
      hint:
        "to bring a part back into a live table, use `thinkback rewind` or `thinkback undo` with the same options; " +
        "--force promotes the table all the same",
    },
  );
}

function keptText(live: string, kept: string | undefined, beside: readonly string[]): string {
  if (kept !== undefined) return `what was ${live} until now is ${kept}`;
  const others = beside.length > 0 ? `; beside it are ${formatNames([...beside])}` : "";
  return `no table was ${live} until now${others}`;
}

const foundIn = ({ grants, differences, beside, documents }: SwapPlan) => {
  return { grants, differences, beside, documents };
};

function printPlan(plan: SwapPlan, aside: string, output: Output): void {
  const { live, next, replaced, grants, beside } = plan;
  const [name, promoted] = [`${live.db}.${live.name}`, `${live.db}.${next}`];
  const kept = replaced && `${live.db}.${aside}`;
  output.line(`${promoted} would become ${name}`);
  output.line(
    kept === undefined ? keptText(name, kept, beside) : `what is ${name} now would become ${kept}`,
  );
  for (const user of grants) output.line(`grants of user ${user} would be carried over`);
  output.result({
    live: name,
    promoted,
    kept: kept ?? null,
    goneMs: null,
    ...foundIn(plan),
    dryRun: true,
    pin: null,
  });
}

/** A swap, and the name that the table which is live gets. */
interface AskedSwap extends Swap {
  asideAt: (now: Instant) => string;
}

async function swapOf(
  text: string,
  { from, back }: PromoteArguments,
  target: Target,
): Promise<AskedSwap> {
  const { db, name } = parseTableName(text, "the word");
  if (back) return swapBack(db, name, target);
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
  const asideAt = (now: Instant) => nameBefore(live, now);
  return { live: { db, name: live }, next: next.name, asideAt };
}

/** @param name the live table, or the one that was live before */
async function swapBack(db: string, name: string, target: Target): Promise<AskedSwap> {
  const tables = (await target.tables()).filter((one) => one.db === db);
  const own = liveNameOf(name);
  const live = own ?? name;
  const next = own === undefined ? lastBefore(tables, live) : name;
  if (next === undefined) {
    throw new ThinkbackError("unknown", `no table was ${db}.${name} before`, {
      hint: `there is nothing to take back; tables there: ${tables.map((one) => one.name).join(", ")}`,
    });
  }
  return { live: { db, name: live }, next, asideAt: (now) => nameAfter(live, now) };
}

/** Without an index, the clients' queries that name it would fail. */
async function indexesBuilt(target: Target, table: TableName, output: Output): Promise<void> {
  const built = new AbortController();
  const note = () =>
    output.note(`thinkback: waiting until the indexes of ${table.db}.${table.name} are built`);
  systemClock.sleep(quietMs, built.signal).then(note, () => undefined);
  try {
    await target.waitForIndexes(table);
  } finally {
    built.abort();
  }
}

/** Pins the instant before the swap; if there is none to which the live table can be restored, says so. */
async function pinnedBefore(
  repo: string,
  { live: { db, name }, replaced }: SwapPlan,
  now: Instant,
  output: Output,
): Promise<Pin | undefined> {
  const repository = await openRepository(storeAt(repo));
  const note = `before another table was promoted to ${db}.${name}`;
  const request = { name: `before-promote-${now}`, note };
  try {
    return await pinBefore(repository, replaced ? [replaced] : [], request, now, output);
  } catch (error) {
    if (!(error instanceof ThinkbackError) || error.code !== "instant") throw error;
    output.note(
      `thinkback: no instant before this could be pinned (${error.message}); the table that was live is kept`,
    );
    return undefined;
  }
}
