import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { putAcknowledgement } from "../repository/acknowledgement.js";
import { catalogAt, tableNamed } from "../repository/catalog.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { openRepository, storeAt } from "../repository/repository.js";
import type { Output } from "./output.js";

export interface AcknowledgeArguments {
  repo: string;
  at: string;
  note: string;
}

/** Notes that the hole of a table in which an instant lies is known. */
export async function acknowledgeCommand(
  name: string,
  args: AcknowledgeArguments,
  output: Output,
): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const at = parseInstant(args.at, now);
  const table = tableNamed(await catalogAt(store, at), name, at);
  const intervals = (await readCoverage(store)).get(table.id)?.intervals ?? [];
  const hole = intervals.find((one) => one.class !== "exact" && one.from <= at && at <= one.to);
  if (!hole) {
    throw new ThinkbackError("instant", `${name} has no hole at ${formatInstant(at)}`, {
      hint: "`thinkback status` lists the holes with their times",
    });
  }
  const { from, to } = hole;
  const isNew = await putAcknowledgement(store, {
    table: table.id,
    from,
    to,
    note: args.note,
    at: now,
  });
  const interval = `${formatInstant(from)} to ${formatInstant(to)}`;
  output.line(
    isNew
      ? `acknowledged the hole of ${name} from ${interval}`
      : `the hole of ${name} from ${interval} was acknowledged before; its first note stays`,
  );
  output.result({ table: name, from: formatInstant(from), to: formatInstant(to), isNew });
}
