/** That the soak's own arithmetic and drawings can be believed. */
import { open } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { drawChart } from "./chart.js";
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
