/** Lets work through until it is closed; closing waits for what is inside. */
export class Gate {
  private inside = 0;
  private opening: Promise<void> | undefined;
  private open: () => void = () => undefined;
  private emptied: () => void = () => undefined;

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.opening) await this.opening;
    this.inside += 1;
    try {
      return await work();
    } finally {
      this.inside -= 1;
      if (this.inside === 0) this.emptied();
    }
  }

  /** Runs `work` while nothing else is inside. */
  async alone(work: () => Promise<void>): Promise<void> {
    this.opening = new Promise((resolve) => {
      this.open = resolve;
    });
    try {
      if (this.inside > 0) {
        await new Promise<void>((resolve) => {
          this.emptied = resolve;
        });
      }
      await work();
    } finally {
      this.opening = undefined;
      this.open();
    }
  }
}
