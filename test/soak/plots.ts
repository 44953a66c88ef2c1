import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drawChart } from "./chart.js";
import { points, type Quantity, quantities, type Samples } from "./samples.js";

/** A probe of which the next one knows nothing. */
const probes: Quantity[] = ["durableLag", "eventLoopMax"];

const plots: { file: string; title: string; unit: string; lines: Quantity[] }[] = [
  {
    file: "memory",
    title: "Memory",
    unit: "MiB",
    lines: ["rss", "heapUsed", "outsideHeap"],
  },
  { file: "handles", title: "Open files and sockets of the capture", unit: "", lines: ["handles"] },
  { file: "lag", title: "Lag", unit: "s", lines: ["restorableLag", "durableLag"] },
  {
    file: "event-loop",
    title: "Event-loop delay of the capture",
    unit: "ms",
    lines: ["eventLoopP99", "eventLoopMax"],
  },
  { file: "cpu", title: "CPU", unit: "%", lines: ["captureCpu", "maintenanceCpu"] },
  { file: "repository", title: "Repository", unit: "MiB", lines: ["repositoryBytes", "logBytes"] },
  { file: "objects", title: "Objects in the repository", unit: "", lines: ["objects", "segments"] },
  { file: "rate", title: "Load", unit: "1/s", lines: ["changeRate"] },
];

export async function writePlots(samples: Samples, directory: string): Promise<void> {
  for (const { file, title, unit, lines } of plots) {
    const drawn = lines
      .map((name) => ({
        name: quantities[name].title,
        dots: probes.includes(name),
        points: points(samples, name).map(([x, y]): [number, number] => [x / 60, y]),
      }))
      .filter(({ points: read }) => read.length > 1);
    if (drawn.length > 0) {
      await writeFile(join(directory, `${file}.svg`), drawChart({ title, unit, lines: drawn }));
    }
  }
}
