import { expect, test } from "vitest";
import { ScanQueue } from "../../src/capture/scan-queue.js";

const never = new AbortController().signal;
const mib = 1024 * 1024;

/** Scans that go on until they are ended, and which of them have begun. */
class Scans {
  readonly begun: string[] = [];
  private readonly ends = new Map<string, () => void>();
  constructor(private readonly queue: ScanQueue) {}

  start(name: string, documents: number, bytes = 0): Promise<void> {
    return this.queue.run(never, documents, async (noteBytes) => {
      this.begun.push(name);
      noteBytes(bytes);
      await new Promise<void>((resolve) => this.ends.set(name, resolve));
    });
  }

  async end(name: string): Promise<void> {
    this.ends.get(name)!();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }
}

test("large tables are scanned so many at once, in the order they came", async () => {
  const scans = new Scans(new ScanQueue(2));
  for (const name of ["a", "b", "c", "d"]) void scans.start(name, 1_000_000);
  expect(scans.begun).toEqual(["a", "b"]);
  await scans.end("b");
  expect(scans.begun).toEqual(["a", "b", "c"]);
});

test("small tables do not wait for large ones", async () => {
  const scans = new Scans(new ScanQueue(1));
  for (const name of ["large", "waits"]) void scans.start(name, 1_000_000);
  for (let i = 0; i < 20; i += 1) void scans.start(`small ${i}`, 20);
  expect(scans.begun).toHaveLength(17);
  expect(scans.begun).not.toContain("waits");
  await scans.end("small 3");
  expect(scans.begun.at(-1)).toBe("small 16");
});

test("small tables are scanned only as long as their documents together are few", () => {
  const scans = new Scans(new ScanQueue(1));
  for (let i = 0; i < 12; i += 1) void scans.start(`${i}`, 5000);
  expect(scans.begun).toHaveLength(8);
});

test("no small table begins while those that are scanned have read much; one always may", async () => {
  const scans = new Scans(new ScanQueue(1));
  void scans.start("first", 10, 100 * mib);
  void scans.start("second", 10, 100 * mib);
  expect(scans.begun).toEqual(["first"]);
  await scans.end("first");
  expect(scans.begun).toEqual(["first", "second"]);
});

test("work that fails gives its turn on", async () => {
  const queue = new ScanQueue(1);
  const failing = queue.run(never, 1_000_000, () => Promise.reject(new Error("lost")));
  const next = queue.run(never, 1_000_000, () => Promise.resolve("next"));
  await expect(failing).rejects.toThrow("lost");
  expect(await next).toBe("next");
});
