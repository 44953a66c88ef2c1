/** That the soak's own arithmetic and drawings can be believed. */
import { mkdir, mkdtemp, open, rename, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { segmentName } from "../../src/format/names.js";
import { until } from "../endtoend/stage.js";
import { drawChart } from "./chart.js";
import { watchNewSegments } from "./new-segments.js";
import { readProcess } from "./process-stat.js";
import { add, noSamples, points } from "./samples.js";
import { summarise } from "./summary.js";

describe("summaries", () => {
  test("the slope is that of the line, per hour, and leaves out what starts", () => {
    const samples = noSamples();
    // 3 MiB more per minute from the first quarter on; before that it jumps about.
    for (let minute = 0; minute <= 60; minute += 1) {
      const rss = minute < 15 ? (minute % 2) * 1000 : 100 + 3 * minute;
      add(samples, 60 * minute, { rss });
    }
    expect(summarise(samples, "rss")!.slopePerHour).toBeCloseTo(180, 6);
  });

  test("a quantity that is read now and then is summarised from its readings alone", () => {
    const samples = noSamples();
    for (let i = 0; i < 1000; i += 1) add(samples, i, i % 10 === 0 ? { handles: i / 10 } : {});
    const { min, median, mean, p99, max } = summarise(samples, "handles")!;
    expect({ min, median, mean, p99, max }).toEqual({
      min: 0,
      median: 50,
      mean: 49.5,
      p99: 99,
      max: 99,
    });
    expect(points(samples, "handles")).toHaveLength(100);
    expect(summarise(samples, "rss")).toBeUndefined();
  });
});

describe("charts", () => {
  const line = (name: string, values: number[], dots = false) => ({
    name,
    dots,
    points: values.map((y, x): [number, number] => [x, y]),
  });

  test("every point lies in the frame, and the axes have labels and units", () => {
    const lines = [line("a <b>", [0, 5, 131, 7]), line("c", [1, 2, 3, 4], true)];
    const svg = drawChart({ title: "Memory & more", unit: "MiB", lines });
    expect(svg).toContain(">minutes</text>");
    expect(svg).toContain("Memory &amp; more");
    expect(svg).toContain("a &lt;b>");
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    const labels = [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, label]) => label);
    expect(labels).toEqual(["0", "50", "100", "150", "MiB"]);
    for (const [, x, y] of svg.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
      expect(Number(x)).toBeGreaterThanOrEqual(0);
      expect(Number(x)).toBeLessThanOrEqual(760);
      expect(Number(y)).toBeGreaterThanOrEqual(0);
      expect(Number(y)).toBeLessThanOrEqual(260);
    }
  });

  test("a quantity that is always 0 can be drawn", () => {
    const svg = drawChart({ title: "t", unit: "", lines: [line("a", [0, 0, 0])] });
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe.skipIf(process.platform !== "linux")("/proc", () => {
  test("memory, CPU and handles of a process", async () => {
    const before = await readProcess(process.pid);
    const { rss } = process.memoryUsage();
    expect(before.rss).toBeGreaterThan(rss / 2);
    expect(before.rss).toBeLessThan(rss * 2);
    expect(before.peakRss).toBeGreaterThanOrEqual(before.rss);
    const files = await Promise.all(Array.from({ length: 20 }, () => open("/dev/null")));
    const busyUntil = process.cpuUsage().user + 300_000;
    while (process.cpuUsage().user < busyUntil) Math.sqrt(busyUntil);
    const after = await readProcess(process.pid);
    for (const file of files) await file.close();
    expect(after.handles - before.handles).toBeGreaterThanOrEqual(20);
    expect(after.cpuSeconds - before.cpuSeconds).toBeGreaterThan(0.25);
  });
});

test("a segment is noticed when it appears, and not when it is deleted", async () => {
  const repo = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const nameOf = (sequence: number) =>
    segmentName(1, 1000 * sequence, 1000 * sequence + 999, sequence);
  const put = async (sequence: number) => {
    const path = join(repo, nameOf(sequence));
    await writeFile(`${path}.partial`, "");
    await rename(`${path}.partial`, path);
  };
  await mkdir(join(repo, "log", "00000001"), { recursive: true });
  await put(1);
  const seen: string[] = [];
  const watcher = watchNewSegments(repo, 1, (name) => seen.push(name));
  try {
    await put(2);
    await until("the second is seen", () => seen.length > 0);
    await unlink(join(repo, nameOf(1)));
    await unlink(join(repo, nameOf(2)));
    await put(3);
    await until("the third is seen", () => seen.includes(nameOf(3)));
    expect(seen).toEqual([nameOf(2), nameOf(3)]);
  } finally {
    watcher.close();
    await rm(repo, { recursive: true });
  }
});
