/** What must be undone when the demo ends, however it ends. Runs once, the newest first. */
export class Cleanup {
  private readonly steps: { what: string; undo: () => Promise<unknown> }[] = [];
  private running: Promise<void> | undefined;

  /** @param what named where `undo` fails */
  add(what: string, undo: () => Promise<unknown>): void {
    this.steps.push({ what, undo });
  }

  get begun(): boolean {
    return this.running !== undefined;
  }

  /** Undoes everything. A step that fails is reported and does not hold up the others. */
  run(): Promise<void> {
    this.running ??= this.undoAll();
    return this.running;
  }

  private async undoAll(): Promise<void> {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        console.error(`could not ${step.what}: ${String(error)}`);
        process.exitCode = 1;
      }
    }
  }
}
