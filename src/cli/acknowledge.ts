import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant, parseInstant } from "../instant.js";
import { type CoverageInterval, isWhole } from "../repository/coverage/coverage.js";
import { tableNamed } from "../repository/log/catalog.js";
import { putAcknowledgement } from "../repository/records/acknowledgement.js";
import { openRepository } from "../repository/repository.js";
import { lookAt, type RepositoryView } from "../repository/repository-view.js";
import { TableNames } from "../repository/table-names.js";
import { storeAt } from "../storage/store-at.js";
import { checkTableName } from "./live-tables.js";
import type { Output } from "./output.js";

export interface AcknowledgeArguments {
  repo: string;
  at: string;
  note: string;
}

/**
 * Notes that a gap is known: of each of these tables the one in which `args.at` lies.
 * @throws {ThinkbackError} `instant` if a table has none then, `unknown`, `usage`; then none is noted
 */
export async function acknowledgeCommand(
  names: string[],
  args: AcknowledgeArguments,
  output: Output,
): Promise<void> {
  for (const name of names) checkTableName(name);
  const repository = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const at = parseInstant(args.at, now);
  const found = await lookAt(repository, async (view) => {
    const shown = await TableNames.read(view);
    const gaps: Found[] = [];
    for (const name of new Set(names)) gaps.push(await gapOf(name, at, shown, view));
    return gaps;
  });
  const results: object[] = [];
  for (const { name, id, gap } of found) {
    const { from, to } = gap;
    const acknowledgement = { table: id, from, to, note: args.note, at: now };
    const isNew = await putAcknowledgement(repository.store, acknowledgement);
    const interval = `${formatInstant(from)} to ${formatInstant(to)}`;
    output.line(
      isNew
        ? `acknowledged the gap of ${name} from ${interval}`
        : `the gap of ${name} from ${interval} was acknowledged before; the first note stays`,
    );
    results.push({ table: name, from: formatInstant(from), to: formatInstant(to), isNew });
  }
  output.result({ gaps: results });
}

interface Found {
  name: string;
  id: string;
  gap: CoverageInterval;
}

/** @param shown the names as status has them. A table is found by that, and by the name that it had at the instant. */
async function gapOf(
  name: string,
  at: Instant,
  shown: TableNames,
  view: RepositoryView,
): Promise<Found> {
  const { tables } = await view.coverage();
  const gapAt = (id: string) =>
    tables.get(id)?.intervals.find((one) => !isWhole(one) && one.from <= at && at <= one.to);
  for (const id of tables.keys()) {
    const gap = shown.nameOf(id) === name ? gapAt(id) : undefined;
    if (gap) return { name, id, gap };
  }
  const { id } = tableNamed(await view.catalog(at), name, at);
  const gap = gapAt(id);
  if (gap) return { name, id, gap };
  throw new ThinkbackError("instant", `${name} has no gap at ${formatInstant(at)}`, {
    hint: "`thinkback status` lists the gaps with their times",
  });
}
