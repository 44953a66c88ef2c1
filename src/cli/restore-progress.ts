/** What a restore has done so far: drawn on the terminal, and noted for its end. */

import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { RestoredTable, RestoreObserver } from "../restore/restore.js";
import type { Begun } from "../restore/tag.js";
import type { TableName } from "../rethinkdb/target.js";
import { restoreWork } from "../upkeep/schedule.js";
import { counted, formatBytes } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";
import type { Remains } from "./stopped-restore.js";
import { tellProgress } from "./tell-progress.js";

/**
 * What a part of a restore costs, relative to the work of writing documents (see restoreWork): reading a segment of the
 * log, making a table, and, of the work of its documents, reading them back at the end and building an index. For the
 * figure of progress only.
 */
const segmentCost = 100_000;
const tableCost = 1_000_000;
const readBackCost = 0.13;
const indexCost = 0.2;

export class RestoreProgress implements RestoreObserver {
  private readonly lines = new ProgressLines();
  private readonly completed: RestoredTable[] = [];
  /** The tables that are restored, by their names on the target, in the order of the plan. */
  private tables = new Map<string, PlannedTable>();
  /** What is done of each table that is begun. */
  private readonly begun = new Map<string, number>();
  private earlier: string[] = [];
  private segments = 0;
  private segmentsRead = 0;
  /** What was last heard of. */
  private doing = "";
  /** What all costs. */
  private whole = 0;
  private beganMs = 0;

  /** To be called before the restore. */
  begin({ tables, segments }: RestorePlan, { whole }: Pick<Begun, "whole">): void {
    this.tables = new Map(
      tables.filter(({ to }) => !whole.has(nameOf(to))).map((table) => [nameOf(table.to), table]),
    );
    this.earlier = [...whole];
    this.segments = segments;
    const costs = [...this.tables.values()].map(costOf);
    this.whole = segments * segmentCost + costs.reduce((sum, cost) => sum + cost, 0);
    this.beganMs = performance.now();
  }

  making(table: TableName): void {
    this.begun.set(nameOf(table), 0);
  }

  complete(table: RestoredTable): void {
    this.begun.set(table.to, costOf(this.tables.get(table.to)!));
    this.completed.push(table);
    this.lines.remove(table.to);
    this.drawWhole();
  }

  /** What the target has of the plan's tables. */
  remains(): Remains {
    const complete = new Set(this.completed.map(({ to }) => to));
    const rest = [...this.tables].filter(([name]) => !complete.has(name));
    const of = (isBegun: boolean) =>
      rest.filter(([name]) => this.begun.has(name) === isBegun).map(([, table]) => table);
    return {
      complete: this.completed,
      earlier: this.earlier,
      halfFilled: of(true),
      notBegun: of(false),
    };
  }

  reading(segmentsRead: number): void {
    this.segmentsRead = segmentsRead;
    this.doing = `reading the log: ${segmentsRead} of ${counted(this.segments, "segment")}`;
    this.lines.set("log", this.doing);
    this.drawWhole();
  }

  writing(table: TableName, documents: number, bytes: number): void {
    const name = nameOf(table);
    this.begun.set(name, Math.min(costOf(this.tables.get(name)!), restoreWork(documents, bytes)));
    this.lines.remove("log");
    this.doing = `${name}: ${counted(documents, "document")}, ${formatBytes(bytes)}`;
    this.lines.set(name, this.doing);
    this.drawWhole();
  }

  finishing(table: TableName, step: string): void {
    const name = nameOf(table);
    this.doing = `${name}: ${step}`;
    this.lines.set(name, this.doing);
    this.drawWhole();
  }

  end(): void {
    this.lines.clear();
  }

  /** What is done of the whole restore, of 1. */
  get share(): number {
    const ofTables = [...this.begun.values()].reduce((sum, cost) => sum + cost, 0);
    const done = this.segmentsRead * segmentCost + ofTables;
    return this.whole === 0 ? 1 : Math.min(1, done / this.whole);
  }

  private drawWhole(): void {
    const { share } = this;
    const left = leftText(share, performance.now() - this.beganMs);
    this.lines.set("whole", `${progressBar(share)} of the restore${left}`);
    tellProgress({ share, text: `${this.doing}${left}` });
  }
}

/** About how much a table costs; the log may have changed it since its base. */
function costOf({ base, chosen, indexes }: PlannedTable): number {
  // Of a table of which documents are selected, nobody knows how many there are.
  if (chosen.filter || chosen.matches) return tableCost;
  const work = restoreWork(base.rows, base.documentBytes);
  return tableCost + work * (1 + readBackCost + indexes.length * indexCost);
}

/** Nothing is said of the time left before so much is done. */
const shareMin = 0.02;

/** `, about 3m left`. @param share what is done, of 1 */
export function leftText(share: number, tookMs: number): string {
  if (share < shareMin || share >= 1) return "";
  const seconds = Math.ceil(leftMs(share, tookMs) / 1000);
  if (seconds < 90) return `, about ${seconds}s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `, about ${minutes}m left` : `, about ${Math.round(minutes / 60)}h left`;
}

/** How much time is left, if the rest goes on as what is done. */
export function leftMs(share: number, tookMs: number): number {
  return (tookMs * (1 - share)) / share;
}

function nameOf({ db, name }: TableName): string {
  return `${db}.${name}`;
}
