import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { lanesStored, nameOfLane, type StoredLane } from "../repository/lanes.js";
import { openRepository } from "../repository/repository.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { storeAt } from "../storage/store-at.js";
import { planRepair, type Repaired, type RepairReport, repair } from "../verify/repair.js";
import { eachLane } from "./each-lane.js";
import { settleMs } from "./maintenance-options.js";
import { counted, formatTable, type Output } from "./output.js";
import { costName, VerifyProgress, whileHeld } from "./verify.js";

export interface RepairArguments {
  repo: string;
  data?: boolean;
  dryRun?: boolean;
}

/** Rebuilds damaged objects from what other objects hold, and reports those that cannot be rebuilt. */
export async function repairCommand(args: RepairArguments, output: Output): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  refuseWithoutReader(store);
  await whileHeld(store, output, async () => {
    await eachLane(await lanesStored(store), output, (lane, own) => repairLane(lane, args, own));
  });
}

async function repairLane(
  { store, lane }: StoredLane,
  args: RepairArguments,
  output: Output,
): Promise<void> {
  const observer = new RepairProgress();
  const unique = randomUUID().slice(0, 8);
  const data = args.data === true;
  const of = { clock: systemClock, owner: thisProcess, unique, data, settleMs, observer, lane };
  let report: RepairReport;
  try {
    report = await (args.dryRun ? planRepair(store, of) : repair(store, of));
    const whole = (name: string) => nameOfLane(name, lane.number);
    const repaired = report.repaired.map((one) => {
      return { ...one, object: whole(one.object), by: one.by.map(whole) };
    });
    report = { ...report, repaired };
  } finally {
    observer.end();
  }
  print(report, args.dryRun === true, output);
  refuseRest(report);
}

function print({ repaired, names }: RepairReport, isPlan: boolean, output: Output): void {
  if (repaired.length === 0) output.line("nothing is damaged");
  else {
    for (const { object, what, outcome, by, refuses } of repaired) {
      output.line(`${object}\n  ${what}\n  ${textOf(outcome, isPlan)}`);
      for (const name of by) output.line(`    by ${name}`);
      if (outcome === "left" && refuses) output.line(`  refused: ${refuses}`);
    }
  }
  const costs = repaired
    .filter(({ outcome }) => outcome === "left")
    .flatMap((one) => one.costs.map((cost) => ({ ...cost, object: one.object })));
  if (costs.length > 0) {
    const rows = costs.map((cost) => [
      costName(names, cost, true),
      formatInstant(cost.from),
      formatInstant(cost.to),
      cost.object,
    ]);
    output.line(`\n${formatTable(["cannot be restored", "from", "to", "because of"], rows)}`);
  }
  output.result({
    repaired: repaired.map(({ costs: of, refuses, ...rest }) => ({
      ...rest,
      refuses: refuses ?? null,
      costs: of.map((cost) => ({
        table: cost.table,
        name: costName(names, cost, false),
        from: formatInstant(cost.from),
        to: formatInstant(cost.to),
      })),
    })),
  });
}

function textOf(outcome: Repaired["outcome"], isPlan: boolean): string {
  if (outcome === "rebuilt") return isPlan ? "would be rebuilt" : "rebuilt";
  return outcome === "left" ? "CANNOT BE REBUILT" : "not needed: other objects hold the same";
}

/** Throws if damaged objects are left that cannot be rebuilt. */
function refuseRest({ repaired }: RepairReport): void {
  const left = repaired.filter(({ outcome }) => outcome === "left");
  if (left.length === 0) return;
  throw new ThinkbackError(
    "damaged",
    left.length === 1
      ? "1 object cannot be rebuilt"
      : `${counted(left.length, "object")} cannot be rebuilt`,
    {
      hint: "put them back from a copy of the repository",
    },
  );
}

class RepairProgress extends VerifyProgress {
  onRows(table: string, rows: number): void {
    this.lines.set("repair", `rebuilding a base of ${table}: ${counted(rows, "document")}`);
  }
}
