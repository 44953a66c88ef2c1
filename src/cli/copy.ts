import { systemClock } from "../clock.js";
import {
  type Amount,
  amountOf,
  type CopyObserver,
  listed,
  RepositoryCopy,
} from "../copies/copy.js";
import { deleteMirrored, planMirror } from "../copies/mirror.js";
import { ThinkbackError } from "../errors.js";
import { formatDuration } from "../instant.js";
import { lanesStored, nameOfLane } from "../repository/lanes.js";
import { liveHolds } from "../repository/registers/holds.js";
import { storeToCheck } from "../repository/repository.js";
import type { ObjectStore, StoredObject } from "../storage/object-store.js";
import { patienceDefault } from "../storage/retrying-store.js";
import { refuseShared, storeAt } from "../storage/store-at.js";
import { lockAll } from "../upkeep/renew-locks.js";
import { verify } from "../verify/verify.js";
import { counted, formatBytes, type Output } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";

export interface CopyArguments {
  from: string;
  to: string;
  check?: boolean;
  mirror?: boolean;
  dryRun?: boolean;
}

export async function copyCommand(args: CopyArguments, output: Output): Promise<void> {
  await refuseShared([
    { option: "--from", location: args.from },
    { option: "--to", location: args.to },
  ]);
  const source = storeAt(args.from, patienceDefault, { option: "--from" });
  const target = storeAt(args.to, patienceDefault, { option: "--to" });
  const progress = new CopyProgress();
  const began = performance.now();
  const options = { check: args.check === true, observer: progress };
  const copy = await RepositoryCopy.begin(source, target, options);
  const amount = args.dryRun ? await copy.plan() : await copy.run().finally(() => progress.end());
  const seconds = (performance.now() - began) / 1000;
  const findings = [...copy.findings.values()];
  const what = `${counted(amount.objects, "object")}, ${formatBytes(amount.bytes)}`;
  if (args.dryRun) output.line(`${what} would be copied to ${target.location}`);
  else output.line(`${what} copied to ${target.location} in ${formatDuration(seconds * 1000)}`);
  for (const { object, what: wrong } of findings) output.line(`${object}: ${wrong}`);
  const surplus = args.mirror && findings.length === 0 ? await planned(source, target) : undefined;
  if (surplus && !args.dryRun) await deleteMirrored(target, surplus);
  const removed = surplus && amountOf(surplus);
  if (removed) {
    const verb = args.dryRun ? "would be deleted" : "deleted";
    output.line(
      `${counted(removed.objects, "object")}, ${formatBytes(removed.bytes)} ${verb} there`,
    );
  }
  if (!args.dryRun) await lockAll(target, (await listed(source)).keys(), systemClock.now());
  const done = { deleted: removed ?? null, dryRun: args.dryRun === true };
  output.result({
    from: source.location,
    to: target.location,
    ...amount,
    seconds,
    findings,
    ...done,
  });
  if (findings.length === 0) return;
  throw new ThinkbackError(
    "damaged",
    `${counted(findings.length, "object is", "objects are")} damaged, or not the same at both places${args.mirror ? "; nothing was deleted" : ""}`,
    {
      hint: "`thinkback verify` of both places says what that costs. Put the sound object in the place of the damaged one by hand, and copy again",
    },
  );
}

/** What a mirror deletes at the target. Throws, with code "damaged" or "repository", if it must not delete anything. */
async function planned(source: ObjectStore, target: ObjectStore): Promise<StoredObject[]> {
  // In this order: what is put meanwhile is at the source when it is listed.
  const there = await listed(target);
  const here = await listed(source);
  const surplus = planMirror(here, there);
  if (surplus.length === 0) return surplus;
  await refuseDamaged(source);
  const holds = await liveHolds(await storeToCheck(target), systemClock.now());
  if (holds.length === 0) return surplus;
  throw new ThinkbackError("fenced", "nothing is deleted: a restore or a check reads the target", {
    hint: "mirror again when it has ended; the hold of one that was killed lapses after a quarter of an hour",
  });
}

/** Of a source that has lost something, the target may have the only copy. */
async function refuseDamaged(source: ObjectStore): Promise<void> {
  const opened = await storeToCheck(source);
  for (const { store, lane } of await lanesStored(opened)) {
    const { report } = await verify(store, { share: 0, random: Math.random, lane });
    const [first, ...more] = report.damage;
    if (!first) continue;
    const others = more.length === 0 ? "" : `, and ${counted(more.length, "other")}`;
    throw new ThinkbackError(
      "damaged",
      `nothing is deleted, because the source is damaged: ${nameOfLane(first.object, lane.number)}: ${first.what}${others}`,
      { hint: "the target may have what the source has lost: copy it back, then mirror again" },
    );
  }
}

/** Draws how much is copied, how fast, and how long it will take. */
class CopyProgress implements CopyObserver {
  private readonly lines = new ProgressLines();
  private readonly began = performance.now();
  private done = 0;
  private total = 0;

  listed({ bytes }: Amount): void {
    this.total = this.done + bytes;
  }

  copied(bytes: number): void {
    this.done += bytes;
    const seconds = (performance.now() - this.began) / 1000;
    const perSecond = this.done / Math.max(seconds, 0.001);
    const leftMs = (Math.max(0, this.total - this.done) / perSecond) * 1000;
    const share = this.total > 0 ? Math.min(1, this.done / this.total) : 1;
    this.lines.set(
      "copy",
      `${progressBar(share)} ${formatBytes(this.done)} of ${formatBytes(this.total)}, ` +
        `${formatBytes(perSecond)}/s, ${formatDuration(leftMs)} left`,
    );
  }

  end(): void {
    this.lines.clear();
  }
}
