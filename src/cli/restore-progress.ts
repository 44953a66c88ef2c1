/** What a restore has done so far: drawn on the terminal, and noted for its end. */

import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { RestoredTable, RestoreObserver } from "../restore/restore.js";
import type { Begun } from "../restore/tag.js";
import { counted, formatBytes } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";
import type { Remains } from "./stopped-restore.js";

/**
 * What a part of a restore costs, relative to writing one byte of a document: reading a segment of the log, reading
 * that byte back, and making a table. For the figure of progress only.
 */
const segmentCost = 100_000;
const readBackCost = 0.2;
const tableCost = 200_000;

export class RestoreProgress implements RestoreObserver {
  private readonly lines = new ProgressLines();
  private readonly completed: RestoredTable[] = [];
  /** How many tables were begun. They are restored in the order of the plan. */
  private begun = 0;
  private plan: PlannedTable[] = [];
  private earlier: string[] = [];
  private segments = 0;
  /** Costs of all, and of what is done; of the table under way apart. */
  private whole = 0;
  private done = 0;
  private underWay = 0;
  private beganMs = 0;

  /** To be called before the restore. */
  begin({ tables, segments }: RestorePlan, { whole }: Pick<Begun, "whole">): void {
    this.plan = tables.filter(({ to }) => !whole.has(`${to.db}.${to.name}`));
    this.earlier = [...whole];
    this.segments = segments;
    this.whole = segments * segmentCost + this.plan.reduce((sum, one) => sum + costOf(one), 0);
    this.beganMs = performance.now();
  }

  making(): void {
    this.begun += 1;
  }

  complete(table: RestoredTable): void {
    this.done += costOf(this.plan[this.completed.length]!);
    this.underWay = 0;
    this.completed.push(table);
    this.lines.remove(table.to);
    this.drawWhole();
  }

  /** What the target has of the plan's tables. */
  remains(): Remains {
    return {
      complete: this.completed,
      earlier: this.earlier,
      halfFilled: this.plan.slice(this.completed.length, this.begun)[0],
      notBegun: this.plan.slice(this.begun),
    };
  }

  reading(segmentsRead: number): void {
    this.done = segmentsRead * segmentCost;
    this.lines.set(
      "log",
      `reading the log: ${segmentsRead} of ${counted(this.segments, "segment")}`,
    );
    this.drawWhole();
  }

  writing(table: { db: string; name: string }, documents: number, bytes: number): void {
    const cost = costOf(this.plan[this.completed.length]!);
    this.underWay = Math.min(cost, bytes);
    const name = `${table.db}.${table.name}`;
    this.lines.remove("log");
    this.lines.set(name, `${name}: ${counted(documents, "document")}, ${formatBytes(bytes)}`);
    this.drawWhole();
  }

  finishing(table: { db: string; name: string }, step: string): void {
    const name = `${table.db}.${table.name}`;
    this.lines.set(name, `${name}: ${step}`);
    this.drawWhole();
  }

  end(): void {
    this.lines.clear();
  }

  private drawWhole(): void {
    const share = this.whole === 0 ? 1 : Math.min(1, (this.done + this.underWay) / this.whole);
    const left = leftText(share, performance.now() - this.beganMs);
    this.lines.set("whole", `${progressBar(share)} of the restore${left}`);
  }
}

/** About how much a table costs; the log may have changed it since its base. */
function costOf({ base, chosen }: PlannedTable): number {
  // Of a table of which documents are selected, nobody knows how many there are.
  if (chosen.filter || chosen.matches) return tableCost;
  return tableCost + base.documentBytes * (1 + readBackCost);
}

/** Nothing is said of the time left before so much is done. */
const shareMin = 0.02;

/** `, about 3m left`. @param share what is done, of 1 */
export function leftText(share: number, tookMs: number): string {
  if (share < shareMin || share >= 1) return "";
  const seconds = Math.ceil((tookMs * (1 - share)) / share / 1000);
  if (seconds < 90) return `, about ${seconds}s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `, about ${minutes}m left` : `, about ${Math.round(minutes / 60)}h left`;
}
