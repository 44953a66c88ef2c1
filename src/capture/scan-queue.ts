/** A table of at most so many documents is small: its scan is a request or two, and most of its time is waiting. */
const smallDocumentsMax = 5000;
/** At most so many small tables are scanned at once, because each has a connection while it is read. */
const smallAtOnceMax = 16;
/** At most so many documents of small tables at once. */
const smallDocumentsAtOnceMax = 40_000;
/**
 * No small table begins while those that are scanned have read more than this: what they read is held until it is
 * stored.
 */
const bytesHeldMax = 64 * 1024 * 1024;

/** A scan that runs, or waits for its turn. */
interface Scan {
  isSmall: boolean;
  documents: number;
  bytes: number;
}

/**
 * Lets a bounded number of scans run at once: of large tables a few, of small ones many. Each kind in the order it
 * came.
 */
export class ScanQueue {
  private readonly running = new Set<Scan>();
  private waiting: { scan: Scan; wake: () => void }[] = [];

  /** @param largeAtOnceMax how many large tables are scanned at once */
  constructor(private readonly largeAtOnceMax: number) {}

  /**
   * Runs `work` when its turn comes; rejects at once if the signal aborts while it waits.
   * @param documents how many the table has, by an estimate
   * @param work given a function to which it reports the bytes read so far
   */
  async run<T>(
    signal: AbortSignal,
    documents: number,
    work: (noteBytes: (bytes: number) => void) => Promise<T>,
  ): Promise<T> {
    const scan: Scan = { isSmall: documents <= smallDocumentsMax, documents, bytes: 0 };
    if (this.waits(scan) || !this.hasRoom(scan)) await this.turn(scan, signal);
    else this.running.add(scan);
    try {
      return await work((bytes) => {
        scan.bytes = bytes;
      });
    } finally {
      this.running.delete(scan);
      this.wakeNext();
    }
  }

  private waits({ isSmall }: Scan): boolean {
    return this.waiting.some(({ scan }) => scan.isSmall === isSmall);
  }

  private hasRoom({ isSmall, documents }: Scan): boolean {
    const alike = [...this.running].filter((scan) => scan.isSmall === isSmall);
    if (!isSmall) return alike.length < this.largeAtOnceMax;
    if (alike.length === 0) return true;
    const documentsAtOnce = alike.reduce((sum, scan) => sum + scan.documents, documents);
    const bytes = alike.reduce((sum, scan) => sum + scan.bytes, 0);
    return (
      alike.length < smallAtOnceMax &&
      documentsAtOnce <= smallDocumentsAtOnceMax &&
      bytes <= bytesHeldMax
    );
  }

  /** Resolves when the scan is among those that run. */
  private async turn(scan: Scan, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const giveUp = () => {
        this.waiting = this.waiting.filter((other) => other.scan !== scan);
        reject(signal.reason as Error);
        this.wakeNext();
      };
      signal.addEventListener("abort", giveUp, { once: true });
      const wake = () => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      this.waiting.push({ scan, wake });
    });
  }

  private wakeNext(): void {
    for (const isSmall of [true, false]) {
      for (;;) {
        const next = this.waiting.find(({ scan }) => scan.isSmall === isSmall);
        if (!next || !this.hasRoom(next.scan)) break;
        this.waiting = this.waiting.filter((other) => other !== next);
        this.running.add(next.scan);
        next.wake();
      }
    }
  }
}
