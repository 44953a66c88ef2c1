import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { isWhole } from "../repository/coverage/coverage.js";
import { tableNamed } from "../repository/log/catalog.js";
import { putAcknowledgement } from "../repository/records/acknowledgement.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { storeAt } from "../storage/store-at.js";
import type { Output } from "./output.js";

export interface AcknowledgeArguments {
  repo: string;
  at: string;
  note: string;
}

/** Notes that a table's gap is known: the gap in which `args.at` lies. */
export async function acknowledgeCommand(
  name: string,
  args: AcknowledgeArguments,
  output: Output,
): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const at = parseInstant(args.at, now);
  const { table, intervals } = await lookAt(repository, async (view) => {
    const found = tableNamed(await view.catalog(at), name, at);
    const { tables } = await view.coverage();
    return { table: found, intervals: tables.get(found.id)?.intervals ?? [] };
  });
  const gap = intervals.find((one) => !isWhole(one) && one.from <= at && at <= one.to);
  if (!gap) {
    throw new ThinkbackError("instant", `${name} has no gap at ${formatInstant(at)}`, {
      hint: "`thinkback status` lists the gaps with their times",
    });
  }
  const { from, to } = gap;
  const isNew = await putAcknowledgement(repository.store, {
    table: table.id,
    from,
    to,
    note: args.note,
    at: now,
  });
  const interval = `${formatInstant(from)} to ${formatInstant(to)}`;
  output.line(
    isNew
      ? `acknowledged the gap of ${name} from ${interval}`
      : `the gap of ${name} from ${interval} was acknowledged before; the first note stays`,
  );
  output.result({ table: name, from: formatInstant(from), to: formatInstant(to), isNew });
}
