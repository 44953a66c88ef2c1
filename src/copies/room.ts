/**
 * Room in memory for the bytes of objects on their way: whoever takes some waits until there is enough. Once it is
 * closed, nobody gets any: what shares it ends together.
 */
export class Room {
  private taken = 0;
  private waiting: { bytes: number; enter: () => void; leave: (why: unknown) => void }[] = [];
  private closed: { why: unknown } | undefined;

  constructor(private readonly bytesMax: number) {}

  /** Does `work` once there is room for so many bytes; those who came earlier go first. */
  async during<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    await this.take(bytes);
    try {
      return await work();
    } finally {
      this.give(bytes);
    }
  }

  /** What is larger than all of the room gets it alone. */
  take(bytes: number): Promise<void> {
    return new Promise((enter, leave) => {
      if (this.closed) {
        leave(this.closed.why);
        return;
      }
      this.waiting.push({ bytes, enter, leave });
      this.admit();
    });
  }

  /** @param why what everybody who waits, or comes later, rejects with */
  close(why: unknown): void {
    this.closed ??= { why };
    for (const { leave } of this.waiting) leave(why);
    this.waiting = [];
  }

  give(bytes: number): void {
    this.taken -= bytes;
    this.admit();
  }

  private admit(): void {
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      if (this.taken > 0 && this.taken + next.bytes > this.bytesMax) return;
      this.waiting.shift();
      this.taken += next.bytes;
      next.enter();
    }
  }
}
