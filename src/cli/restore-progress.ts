/** What a restore has done so far: drawn on the terminal, and noted for its end. */
import type { Begun } from "../restore/mark.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { RestoredTable, RestoreObserver } from "../restore/restore.js";
import { counted, formatBytes } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";
import type { Remains } from "./stopped-restore.js";

export class RestoreProgress implements RestoreObserver {
  private readonly lines = new ProgressLines();
  private readonly completed: RestoredTable[] = [];
  /** How many tables were begun. They are restored in the order of the plan. */
  private begun = 0;

  private plan: PlannedTable[] = [];
  private earlier: string[] = [];

  /** To be called before the restore. */
  begin({ tables }: RestorePlan, { whole }: Begun): void {
    this.plan = tables.filter(({ to }) => !whole.has(`${to.db}.${to.name}`));
    this.earlier = [...whole];
  }

  making(): void {
    this.begun += 1;
  }

  complete(table: RestoredTable): void {
    this.completed.push(table);
  }

  /** What the target has of the plan's tables. */
  remains(): Remains {
    const tables = this.plan;
    return {
      complete: this.completed,
      earlier: this.earlier,
      halfFilled: tables.slice(this.completed.length, this.begun)[0],
      notBegun: tables.slice(this.begun),
    };
  }

  reading(segmentsRead: number, segments: number): void {
    this.lines.set("log", `${progressBar(segmentsRead / segments)} reading the log`);
  }

  writing(table: { db: string; name: string }, documents: number, bytes: number): void {
    const name = `${table.db}.${table.name}`;
    const rows =
      this.plan.find(({ to }) => to.db === table.db && to.name === table.name)?.base.rows ?? 0;
    const share = rows > 0 ? Math.min(1, documents / rows) : 1;
    this.lines.set(
      name,
      `${progressBar(share)} ${name}: ${counted(documents, "document")}, ${formatBytes(bytes)}`,
    );
  }

  finishing(table: { db: string; name: string }, step: string): void {
    const name = `${table.db}.${table.name}`;
    this.lines.set(name, `${progressBar(1)} ${name}: ${step}`);
  }

  end(): void {
    this.lines.clear();
  }
}
