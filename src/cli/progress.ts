/**
 * Progress on a terminal: a few lines on stderr that are drawn again and again. Draws nothing if stderr is no terminal.
 */
export class ProgressLines {
  private readonly lines = new Map<string, string>();
  private drawn = 0;
  private lastDrawMs = 0;
  private readonly enabled = process.stderr.isTTY === true;

  /** Sets the line called `name`. The lines are drawn at most ten times a second. */
  set(name: string, text: string): void {
    if (!this.enabled) return;
    this.lines.set(name, text);
    const now = performance.now();
    if (now - this.lastDrawMs < 100) return;
    this.lastDrawMs = now;
    this.draw();
  }

  remove(name: string): void {
    if (this.lines.delete(name)) this.draw();
  }

  /** Wipes all lines; the next output begins in their place. */
  clear(): void {
    if (this.drawn > 0) process.stderr.write(`\x1b[${this.drawn}F\x1b[J`);
    this.drawn = 0;
  }

  private draw(): void {
    if (!this.enabled) return;
    this.clear();
    const width = process.stderr.columns || 80;
    const shown = [...this.lines.values()].slice(0, 12);
    for (const line of shown) process.stderr.write(`${line.slice(0, width - 1)}\n`);
    this.drawn = shown.length;
  }
}

/** `[#####-----]  50 %`, for a share of 0 to 1. */
export function progressBar(share: number): string {
  const cells = 20;
  const filled = Math.round(Math.max(0, Math.min(1, share)) * cells);
  return `[${"#".repeat(filled)}${"-".repeat(cells - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
}
