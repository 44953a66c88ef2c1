/** What is measured, and its readings. */

export const quantities = {
  rss: { title: "capture, resident", unit: "MiB" },
  peakRss: { title: "capture, peak since its start", unit: "MiB" },
  heapUsed: { title: "its JavaScript heap", unit: "MiB" },
  outsideHeap: { title: "its buffers outside the heap", unit: "MiB" },
  handles: { title: "open files and sockets", unit: "" },
  restorableLag: { title: "age of the newest restorable instant", unit: "s" },
  durableLag: { title: "from a write to its segment", unit: "s" },
  eventLoopP99: { title: "event-loop delay, 99th percentile of 10 s", unit: "ms" },
  eventLoopMax: { title: "event-loop delay, greatest in 10 s", unit: "ms" },
  captureCpu: { title: "CPU of the capture", unit: "% of a core" },
  maintenanceCpu: { title: "CPU of maintenance", unit: "% of a core" },
  maintenanceRss: { title: "maintenance, resident while it runs", unit: "MiB" },
  changeRate: { title: "changes acknowledged", unit: "1/s" },
  repositoryBytes: { title: "repository", unit: "MiB" },
  logBytes: { title: "of it log", unit: "MiB" },
  objects: { title: "objects in the repository", unit: "" },
  segments: { title: "of them single segments", unit: "" },
  machineLoad: { title: "load of the machine, 1 minute", unit: "" },
} as const;

export type Quantity = keyof typeof quantities;

/** Undefined where a quantity was not read at that time. */
export type Reading = Partial<Record<Quantity, number | undefined>>;

export interface Samples {
  /** Seconds from the beginning. */
  seconds: number[];
  values: Record<Quantity, (number | null)[]>;
}

export function noSamples(): Samples {
  const values = Object.fromEntries(Object.keys(quantities).map((name) => [name, []]));
  return { seconds: [], values: values as unknown as Samples["values"] };
}

export function add(samples: Samples, seconds: number, reading: Reading): void {
  samples.seconds.push(Math.round(seconds * 10) / 10);
  for (const name of Object.keys(quantities) as Quantity[]) {
    const value = reading[name];
    samples.values[name].push(value === undefined ? null : Number(value.toPrecision(6)));
  }
}

/** Where the quantity was read: seconds and value. */
export function points(samples: Samples, name: Quantity): [number, number][] {
  return samples.values[name].flatMap((value, i): [number, number][] =>
    value === null ? [] : [[samples.seconds[i]!, value]],
  );
}
