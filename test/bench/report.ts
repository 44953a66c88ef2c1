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

/** What a run took: by the clock on the wall, and of the processor. The latter is less disturbed by others. */
export interface Took {
  seconds: number;
  cpuSeconds: number;
}

/** Runs `work` in this process. */
export async function timed(work: () => Promise<void>): Promise<Took> {
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 };
}

/** Runs cases in turn, A B C A B C …, after one round that is not counted; gives what each of them gave. */
export async function inTurn<T>(rounds: number, cases: (() => Promise<T>)[]): Promise<T[][]> {
  const given: T[][] = cases.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [i, run] of cases.entries()) {
      const one = await run();
      if (round > 0) given[i]!.push(one);
    }
  }
  return given;
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

/** Rates, then CPU for 100,000 documents or changes. */
export function reportRuns(title: string, count: number, names: string[], runs: Run[][]): void {
  const series = (of: (run: Run) => number) =>
    names.map((name, i): [string, number[]] => [name, runs[i]!.map(of)]);
  report(
    `${title}, per second`,
    series(({ seconds }) => count / seconds),
  );
  report(
    `${title}, ms of CPU per 100,000`,
    series(({ cpuMs }) => (cpuMs * 100_000) / count),
  );
}
