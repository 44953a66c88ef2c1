/** Reads everything every few seconds, and what costs more less often. */
import { loadavg } from "node:os";
import { status } from "../endtoend/cli.js";
import type { LoadedTable } from "./load.js";
import type { Marker } from "./marker.js";
import { type ProcessStat, readProcess } from "./process-stat.js";
import { repositorySize } from "./repository-size.js";
import { add, noSamples, type Reading } from "./samples.js";
import type { WatchedCapture } from "./watched-capture.js";

const everyMs = 5000;
const sizeEvery = 3;
const statusEvery = 12;
const MiB = 2 ** 20;

export class Sampler {
  readonly samples = noSamples();
  private before: { at: number; stat: ProcessStat; changes: number } | undefined;
  private measured: unknown;

  constructor(
    private readonly repo: string,
    private readonly capture: WatchedCapture,
    private readonly tables: LoadedTable[],
    private readonly marker: Marker,
  ) {}

  /** Until the signal aborts; waits for `onSample`, which is given the number of the sample. */
  async run(signal: AbortSignal, onSample: (count: number) => void | Promise<void>): Promise<void> {
    const began = performance.now();
    for (let count = 0; !signal.aborted; count += 1) {
      const due = began + count * everyMs;
      // The marker must not come at one and the same place in the ticks.
      const jitter = 1000 * Math.random();
      await pause(due + jitter - performance.now(), signal);
      if (signal.aborted) return;
      const seconds = (performance.now() - began) / 1000;
      add(this.samples, seconds, await this.read(count));
      await onSample(count);
    }
  }

  private async read(count: number): Promise<Reading> {
    const [process, durableMs, size, lagMs] = await Promise.all([
      this.readProcess(),
      this.marker.measure(),
      count % sizeEvery === 0 ? repositorySize(this.repo) : undefined,
      count % statusEvery === 0 ? this.restorableLagMs() : undefined,
    ]);
    return {
      ...process,
      ...this.ownMeasures(),
      durableLag: durableMs && durableMs / 1000,
      restorableLag: lagMs && lagMs / 1000,
      repositoryBytes: size && size.bytes / MiB,
      logBytes: size && size.logBytes / MiB,
      objects: size?.objects,
      segments: size?.segments,
      machineLoad: loadavg()[0],
    };
  }

  private async readProcess(): Promise<Reading> {
    const stat = await readProcess(this.capture.pid);
    const at = performance.now();
    const changes = this.tables.reduce((sum, table) => sum + table.changes, 0);
    const { before } = this;
    this.before = { at, stat, changes };
    const perSecond = (now: number, then: number | undefined) =>
      before && then !== undefined ? (1000 * (now - then)) / (at - before.at) : undefined;
    const percent = (share: number | undefined) => share && 100 * share;
    return {
      rss: stat.rss / MiB,
      peakRss: stat.peakRss / MiB,
      handles: stat.handles,
      captureCpu: percent(perSecond(stat.cpuSeconds, before?.stat.cpuSeconds)),
      maintenanceCpu: percent(perSecond(stat.childCpuSeconds, before?.stat.childCpuSeconds)),
      maintenanceRss: stat.childRss > 0 ? stat.childRss / MiB : undefined,
      changeRate: perSecond(changes, before?.changes),
    };
  }

  /** What the capture last said of itself, once. */
  private ownMeasures(): Reading {
    const { measured } = this.capture;
    if (!measured || measured === this.measured) return {};
    this.measured = measured;
    return {
      heapUsed: measured.heapUsed / MiB,
      outsideHeap: measured.external / MiB,
      eventLoopP99: measured.eventLoopDelayMs.p99,
      eventLoopMax: measured.eventLoopDelayMs.max,
    };
  }

  /** As `thinkback status` computes the instant, at the time when it has ended: a little too much. */
  private async restorableLagMs(): Promise<number | undefined> {
    const { restorableUntil } = await status(this.repo);
    return restorableUntil === null ? undefined : Date.now() - Date.parse(restorableUntil);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    signal.addEventListener("abort", end);
  });
}
