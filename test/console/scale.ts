/**
 * `npm run console:scale [tables] [days]`: the overview of many tables in a browser, and what it costs. Prints the bytes
 * that the server sent, when the page was first painted and complete, how long its frames took while somebody zoomed,
 * and what it asked of others. docs/console.md has what it showed.
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import type { Page } from "playwright-core";
import type { PrintedCommands } from "../../src/commands.js";
import { printing, serveGenerated } from "./generated-server.js";
import { generatedPoints, generatedStatus } from "./generated-status.js";
import { openBrowser } from "./world.js";

const [tables = 500, days = 365] = process.argv.slice(2).map(Number);
const zoomMs = 5000;

/** Commands that print what was generated, its end moving on with the clock. */
function commandsOf(): PrintedCommands {
  const status = generatedStatus({ tables, days, now: Date.now() });
  const points = generatedPoints(status, Date.now(), days);
  return printing({
    status: () => ({ ...status, restorableUntil: new Date(Date.now() - 1500).toISOString() }),
    points: () => points,
    alarm: () => ({ open: [], silences: [], undelivered: {} }),
  });
}

/** Passes connections on, and counts what comes back: bytes as they are on the wire, heads of answers included. */
async function counting(port: number) {
  let bytes = 0;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        client.destroy();
        upstream.destroy();
      });
    }
    upstream.on("data", (chunk) => (bytes += chunk.length));
    client.pipe(upstream);
    upstream.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => bytes,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

const served = await serveGenerated(commandsOf());
const wire = await counting(served.port);
const base = `http://127.0.0.1:${wire.port}`;
const browser = await openBrowser();

/** Waits until the page shows the timeline with this many rows' worth of data. */
const isDrawn = (page: Page) => page.locator(".timeline-rows canvas").waitFor();

/** Runs in the page. */
const zooming = `async (ms) => {
  const canvas = document.querySelector(".timeline-rows canvas");
  const { left, top, width } = canvas.getBoundingClientRect();
  const found = [];
  let last = performance.now();
  const begin = last;
  for (let i = 0; last - begin < ms; i += 1) {
    const at = { clientX: left + width * 0.7, clientY: top + 200, bubbles: true, cancelable: true };
    const deltaY = Math.floor(i / 60) % 2 === 0 ? -40 : 40;
    canvas.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY }));
    const now = await new Promise((resolve) => requestAnimationFrame(resolve));
    found.push(now - last);
    last = now;
  }
  return found.slice(1);
}`;

const timing = `(() => ({
  paintMs: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  drawnMs: performance.getEntriesByType("resource").find(({ name }) => name.includes("/v1/timeline?")).responseEnd,
}))()`;

interface Frames {
  count: number;
  within33: number;
  medianMs: number;
  p95Ms: number;
  worstMs: number;
}

/** Zooms in and out by the wheel, as fast as frames come, and notes how long each frame took. */
async function zoomFrames(page: Page): Promise<Frames> {
  await page.locator(".timeline-frame").focus();
  const deltas = await page.evaluate<number[]>(`(${zooming})(${zoomMs})`);
  const inOrder = deltas.toSorted((a, b) => a - b);
  const at = (share: number) => inOrder[Math.floor(share * (inOrder.length - 1))]!;
  const within33 = deltas.filter((ms) => ms <= 33.4).length / deltas.length;
  return {
    count: deltas.length,
    within33,
    medianMs: at(0.5),
    p95Ms: at(0.95),
    worstMs: at(1),
  };
}

try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  const foreign: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(base)) foreign.push(request.url());
  });
  await page.goto(base);
  await page.getByLabel("Token").fill(served.token);
  await page.keyboard.press("Enter");
  await isDrawn(page);
  const first = wire.bytes();
  // The same page again, as it is on a morning: signed in, and with an empty cache.
  const again = await context.newPage();
  again.on("request", (request) => {
    if (!request.url().startsWith(base)) foreign.push(request.url());
  });
  const session = await context.newCDPSession(again);
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const before = wire.bytes();
  await again.goto(base);
  await isDrawn(again);
  await again.waitForTimeout(2000);
  const second = wire.bytes() - before;
  const { paintMs, drawnMs } = await again.evaluate<{ paintMs: number; drawnMs: number }>(timing);
  // By the processor's time of the page's thread, which other work on the machine does not lengthen.
  await session.send("Performance.enable", { timeDomain: "threadTicks" });
  const busyS = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration")!.value;
  };
  const busyBefore = await busyS();
  const frames = await zoomFrames(again);
  const busyMs = ((await busyS()) - busyBefore) * 1000;
  const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`${tables} tables over ${days} days, ${process.arch}, node ${process.version}`);
  console.log(`bytes from the server, sign-in and overview: ${kb(first)}`);
  console.log(`bytes from the server, overview alone, empty cache: ${kb(second)}`);
  console.log(`first contentful paint: ${Math.round(paintMs)} ms`);
  console.log(`coverage of all tables there: ${Math.round(drawnMs)} ms`);
  console.log(
    `frames in ${zoomMs / 1000} s of zooming: ${frames.count}, ${(frames.within33 * 100).toFixed(1)} % within 33 ms, ` +
      `median ${frames.medianMs.toFixed(1)} ms, 95 % within ${frames.p95Ms.toFixed(1)} ms, worst ${frames.worstMs.toFixed(1)} ms`,
  );
  console.log(`the page's thread worked ${(busyMs / frames.count).toFixed(1)} ms for each frame`);
  console.log(
    `load of the machine: ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} processors`,
  );
  console.log(`requests to other origins: ${foreign.length}`);
  if (process.env["SCALE_PICTURES"]) {
    await again.screenshot({ path: `${process.env["SCALE_PICTURES"]}/scale.png`, fullPage: true });
  }
} finally {
  await browser.close();
  wire.close();
  await served.close();
}
