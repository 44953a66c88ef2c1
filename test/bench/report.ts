/** What one run of a case took. */
export interface Run {
  seconds: number;
  /** CPU of this process, all threads, ms: disturbed less by what else the machine does. */
  cpuMs: number;
}

/** Begins to measure when it is made. */
export class Meter {
  private readonly began = performance.now();
  private readonly cpuBefore = process.cpuUsage();
  private seconds = 0;

  /** The run's seconds end here, or at a later call. */
  stopClock(): void {
    this.seconds = (performance.now() - this.began) / 1000;
  }

  /** CPU ends here. */
  run(): Run {
    const { user, system } = process.cpuUsage(this.cpuBefore);
    return { seconds: this.seconds, cpuMs: (user + system) / 1000 };
  }
}

/** Runs cases in turn, A B C A B C …, after one round that is not counted; returns the runs of each. */
export async function alternate(rounds: number, cases: (() => Promise<Run>)[]): Promise<Run[][]> {
  const runs = cases.map((): Run[] => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [i, one] of cases.entries()) {
      const run = await one();
      if (round > 0) runs[i]!.push(run);
    }
  }
  return runs;
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Prints median, minimum and maximum of each series, and the ratio of its median to that of the first. */
export function report(title: string, series: [string, number[]][]): void {
  process.stdout.write(`${title}\n`);
  const first = median(series[0]![1]);
  const width = Math.max(...series.map(([name]) => name.length));
  for (const [name, values] of series) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const range = `(${format(low)} to ${format(high)}, ${values.length} runs)`;
    const ratio = `ratio ${(median(values) / first).toFixed(2)}`;
    process.stdout.write(
      `  ${name.padEnd(width)}  ${format(median(values)).padStart(9)}  ${ratio}  ${range}\n`,
    );
  }
  process.stdout.write("\n");
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1);
}
