/** Undo and rewind, once it is clear what they are to do: only planned, or planned and carried out. */
import { randomBytes } from "node:crypto";
import type { OperatedTable, OperationHead } from "../recovery/operation.js";
import { writeTime } from "./change-estimate.js";
import type { Asked, Live } from "./live-asked.js";
import { stoppedIf, wayBackText } from "./live-end.js";
import { Found, type Intent, refuse } from "./live-found.js";
import { planOnly } from "./live-plan.js";
import { report } from "./live-report.js";
import { LiveRun } from "./live-run.js";
import { placeReadHold } from "./read-hold.js";
import { tellDoubts } from "./restore-report.js";

/** Plans it, or plans and carries it out. */
export async function intend(live: Live, intent: Intent, asked: Asked): Promise<void> {
  const { type, description, holding } = intent;
  const { repository, output, signal } = live;
  const id = randomBytes(4).toString("hex");
  const head = { id, type, repository: repository.description.id, description };
  const found = new Found(signal, asked.keepAdded);
  const tables = intent.tables.map((of) => found.table(of));
  const hold = holding && (await placeReadHold(repository, holding, type, output));
  try {
    if (asked.dryRun) await planOnly(live, head, tables, found, intent, asked);
    else await planAndCarryOut(live, head, tables, found, intent, asked);
  } catch (error) {
    throw stoppedIf(signal, error);
  } finally {
    found.progress.clear();
    await hold?.end();
  }
}

async function planAndCarryOut(
  live: Live,
  head: OperationHead,
  tables: readonly OperatedTable[],
  found: Found,
  { refusesConflicts, whyNothing }: Intent,
  { undoableMs }: Asked,
): Promise<void> {
  const { output, reads, repository } = live;
  const { conflicts, progress } = found;
  const run = new LiveRun(live, head, undoableMs);
  let estimatedSeconds = 0;
  let doubts: string[] = [];
  const judge = () => {
    progress.clear();
    doubts = found.doubts();
    tellDoubts(doubts, output);
    if (refusesConflicts && conflicts.count > 0) refuse(head, { conflicts, doubts }, output);
  };
  const result = await run.carryOut(tables, undefined, async (extent) => {
    judge();
    estimatedSeconds = (await writeTime(extent, reads, repository)).seconds;
  });
  // Where nothing is recorded, nothing has asked about conflicts and doubts yet.
  if (result.rounds === 0) judge();
  const why = result.rounds === 0 ? await whyNothing?.() : undefined;
  const seconds = result.rounds === 0 ? 0 : run.seconds;
  const wayBack = wayBackText(head.id, live.args);
  const ended = {
    conflicts,
    doubts,
    kept: found,
    seconds,
    estimatedSeconds,
    refusesConflicts,
    why,
    wayBack,
  };
  report(head, result, ended, output);
}
