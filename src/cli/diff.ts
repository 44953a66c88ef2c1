import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { type Difference, differencesBetween, differencesToLive } from "../recovery/differences.js";
import { liveTable } from "../recovery/live-table.js";
import { type PastTable, pastTable } from "../recovery/past.js";
import type { Selection } from "../recovery/selection.js";
import type { InstantClass } from "../repository/coverage/as-of.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";
import type { PlacedHold } from "../repository/registers/holds.js";
import { openRepository } from "../repository/repository.js";
import { classText } from "../restore/inexact.js";
import { planRestore } from "../restore/plan.js";
import type { Target } from "../rethinkdb/target.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { accessToTarget, type TargetArguments, targetAt, warningsOf } from "./connect.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { documentJson, fieldLines, fieldsJson, shortText } from "./field-text.js";
import { instantOf, refuseReversed } from "./instant-of.js";
import { type Colour, counted, formatCount, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";
import { placeReadHold } from "./read-hold.js";
import { tellDoubts } from "./restore-report.js";
import { allowedBy, type InstantArguments, lookWhenProven, requestOf } from "./restore-request.js";
import { type SelectArguments, selectionOf } from "./select.js";

export interface DiffArguments extends TargetArguments, SelectArguments, InstantArguments {
  repo: Repos;
  from?: string;
  to?: string;
  at?: string;
  live?: boolean;
  fields?: boolean;
  limit?: string;
}

/** The two states that are compared. */
interface Compared {
  earlier: PastTable;
  /** Undefined: the live table. */
  later: PastTable | undefined;
  coverage: TableCoverage | undefined;
}

type Change = "added" | "removed" | "changed";

/** Prints what differs; ends with status 0 whether or not something does. */
export async function diffCommand(
  name: string,
  args: DiffArguments,
  output: Output,
): Promise<void> {
  refuseUnclear(args);
  // What cannot be read is refused before the repository is asked.
  allowedBy(args);
  const limit = limitOf(args.limit);
  const selection = (await selectionOf(args))(name);
  if (!selection) {
    throw new ThinkbackError("usage", `the file of --tenant does not name ${name}`, {
      hint: "add the table and its field to the file, or leave --tenant out",
    });
  }
  const target = args.live ? targetAt(args) : undefined;
  let hold: PlacedHold | undefined;
  try {
    if (target) {
      for (const text of warningsOf(accessToTarget(args), "target"))
        output.note(`thinkback: ${text}`);
    }
    const repository = await openRepository(await copiesAt(args.repo, output));
    refuseWithoutReader(repository.store);
    const compared = await comparedBy(name, args, repository, output);
    hold = await placeReadHold(repository, compared.earlier.plan, "diff", output);
    const differing = await differencesOf(compared, selection, target);
    if (output.json) await printJson(name, compared, differing, limit, output);
    else {
      const shown = { limit: limit ?? limitDefault, fields: args.fields === true };
      await print(name, compared, differing, shown, output);
    }
    tellDoubts(selection.doubts?.() ?? [], output);
  } finally {
    await hold?.end();
    target?.close();
  }
}

function refuseUnclear({ from, to, at, live }: DiffArguments): void {
  const refuse = (message: string): never => {
    throw new ThinkbackError("usage", message, {
      hint: "give --from and --to to compare two instants, or --at and --live to compare one with the live table",
    });
  };
  if (live && (from !== undefined || to !== undefined)) refuse("--live goes with --at");
  if (!live && at !== undefined) refuse("--at goes with --live");
  if (!live && from === undefined) refuse("it is not said what is compared");
}

const limitDefault = 20;

function limitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new ThinkbackError("usage", `--limit ${text} is not a count`, { hint: "such as 20" });
}

/** Plans both states in one look: what differs between them is then not read from two. */
async function comparedBy(
  name: string,
  args: DiffArguments,
  repository: Repository,
  output: Output,
): Promise<Compared> {
  const { from, to, at, live } = args;
  const now = systemClock.now();
  const instant = async (text: string | undefined) =>
    text === undefined ? undefined : instantOf(text, repository, now);
  const first = await instant(live ? at : from);
  const second = await instant(to);
  if (!live && first !== undefined && second !== undefined) {
    refuseReversed({ text: from!, at: first }, { text: to!, at: second }, now);
  }
  const chosen = { ...args, table: [name], db: [] };
  return lookWhenProven(repository, second ?? first, output, async (view): Promise<Compared> => {
    const past = async (when: Instant | undefined) =>
      pastTable(repository, await planRestore(view, requestOf(chosen, when)));
    const earlier = await past(first);
    const later = live ? undefined : await past(second);
    const { id } = earlier.table.config;
    const isSame = later?.table.config.id === id;
    const coverage = isSame ? (await view.coverage()).tables.get(id) : undefined;
    return { earlier, later, coverage };
  });
}

async function differencesOf(
  { earlier, later, coverage }: Compared,
  selection: Selection,
  target: Target | undefined,
): Promise<AsyncIterable<Difference>> {
  if (later) return differencesBetween(earlier, later, coverage, selection);
  const live = liveTable(earlier, await target!.tables(), target!.location);
  return differencesToLive(earlier, target!, live, selection, new AbortController().signal);
}

/** Up to so many documents, their fields are printed without being asked for. */
const fewMax = 3;

async function print(
  name: string,
  compared: Compared,
  differing: AsyncIterable<Difference>,
  { limit, fields }: { limit: number; fields: boolean },
  output: Output,
): Promise<void> {
  const counts = noCounts();
  const first: Difference[] = [];
  for await (const one of counting(name, differing, counts)) {
    if (first.length < limit) first.push(one);
  }
  output.line(`${name} ${stretchText(compared)}: ${countsText(counts)}`);
  const total = counts.added + counts.removed + counts.changed;
  for (const one of first) {
    output.line(headOf(one, output));
    if (!fields && total > fewMax) continue;
    for (const line of fieldLines(one.before, one.after, output)) output.line(`    ${line}`);
  }
  if (total > first.length) {
    output.line(`and ${counted(total - first.length, "more document")}; --limit prints more`);
  }
}

/** Prints each difference as it is found; none but the first `limit`, of which 0 leaves the counts. */
function printJson(
  name: string,
  { earlier, later }: Compared,
  differing: AsyncIterable<Difference>,
  limit: number | undefined,
  output: Output,
): Promise<void> {
  const counts = noCounts();
  const said = {
    table: name,
    from: formatInstant(earlier.table.instant),
    to: later ? formatInstant(later.table.instant) : "live",
    classes: { from: classResult(earlier.table), to: later ? classResult(later.table) : null },
  };
  const parts = async function* () {
    yield `${JSON.stringify(said).slice(0, -1)},"documents":[`;
    let printed = 0;
    for await (const one of counting(name, differing, counts)) {
      if (limit !== undefined && printed === limit) continue;
      yield (printed === 0 ? "" : ",") + entryJson(one);
      printed += 1;
    }
    yield `],${JSON.stringify(counts).slice(1)}`;
  };
  return output.resultParts(parts());
}

/** Counts the differences as they come, and shows how many there are so far. */
async function* counting(
  name: string,
  differing: AsyncIterable<Difference>,
  counts: Record<Change, number>,
): AsyncGenerator<Difference> {
  const progress = new ProgressLines();
  progress.set("diff", `comparing ${name}…`);
  try {
    for await (const one of differing) {
      counts[changeOf(one)] += 1;
      progress.set("diff", `comparing ${name}: ${countsText(counts)}`);
      yield one;
    }
  } finally {
    progress.clear();
  }
}

const noCounts = (): Record<Change, number> => ({ added: 0, removed: 0, changed: 0 });

const classResult = ({ class: of, reason, lateMs }: InstantClass) => ({
  class: of,
  reason: reason ?? null,
  lateMs: lateMs ?? null,
});

function stretchText({ earlier, later }: Compared): string {
  const text = ({ table }: PastTable) => {
    const of = table.class === "exact" ? "" : ` (${classText(table)})`;
    return `${formatInstant(table.instant)}${of}`;
  };
  return `from ${text(earlier)} to ${later ? text(later) : "now (live)"}`;
}

function changeOf({ before, after }: Difference): Change {
  if (before === null) return "added";
  return after === null ? "removed" : "changed";
}

const signs: Record<Change, readonly [sign: string, colour: Colour]> = {
  added: ["+", "green"],
  removed: ["-", "red"],
  changed: ["~", "yellow"],
};

function headOf(one: Difference, output: Output): string {
  const change = changeOf(one);
  const [sign, colour] = signs[change];
  return `${output.paint(colour, `${sign} ${change}`.padEnd(9))}  ${shortText(one.key)}`;
}

const countsText = ({ added, removed, changed }: Record<Change, number>) =>
  added + removed + changed === 0
    ? "equal"
    : `${formatCount(added)} added, ${formatCount(removed)} removed, ${formatCount(changed)} changed`;

function entryJson(one: Difference): string {
  const { key, before, after } = one;
  const texts = `"before":${documentJson(before)},"after":${documentJson(after)}`;
  const head = `"key":${documentJson(key)},"change":"${changeOf(one)}"`;
  return `{${head},"fields":${fieldsJson(before, after)},${texts}}`;
}
