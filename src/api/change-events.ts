/**
 * Tells pages what there is: the status in short, and a digest of each thing that they show. A page whose digest is
 * another one asks for the thing again, so an event that was missed does no harm. Nobody looks while no stream is open.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import type { Clock } from "../clock.js";
import { recoveriesPrefix } from "../format/names.js";
import { formatInstant } from "../instant.js";
import { greatestNumbers } from "../recoveries/events.js";
import { WakeUps } from "../recoveries/wake-ups.js";
import * as answers from "./answers.js";
import { everyChargedMs, everyMs, type Look } from "./looks.js";
import type { EventSink, Surroundings } from "./route.js";
import { statusFor } from "./routes-seeing.js";

/** A proxy ends a stream on which nothing comes for a minute or so, and so does a page. */
const silentMsMax = 15_000;

/** Resolves never; rejects if the client has gone or takes nothing, or the process is to end. */
export async function followChanges(around: Surroundings, to: EventSink): Promise<void> {
  const { clock, store, waker, looks } = around;
  const pollMs = store.chargesRequests ? everyChargedMs : everyMs;
  const wakeUps = new WakeUps(clock, waker);
  const quiet = new AbortController();
  const saysThere = sayThere(clock, to, quiet.signal);
  try {
    await to.send("retry: 1000\n\n");
    for (;;) {
      const look = await Promise.race([looks.recent(), saysThere]);
      // Told when it is sent: a look may take seconds, and pages set their clocks by it.
      const told = { now: formatInstant(clock.now()), ...look };
      await to.send(`event: look\ndata: ${JSON.stringify(told)}\n\n`);
      const waitedMs = clock.monotonicMs();
      await wakeUps.wait(pollMs, to.signal);
      to.signal.throwIfAborted();
      if (clock.monotonicMs() - waitedMs < pollMs) looks.forget();
    }
  } finally {
    quiet.abort(new Error("the stream has ended"));
    wakeUps.end();
    saysThere.catch(() => undefined);
  }
}

/** Sends a comment now and then, also while a look takes long. Rejects as `send` does; else it resolves never. */
async function sayThere(clock: Clock, to: EventSink, quiet: AbortSignal): Promise<never> {
  const over = AbortSignal.any([quiet, to.signal]);
  for (;;) {
    await clock.sleep(silentMsMax, over);
    await to.send(":\n\n");
  }
}

/** What there is now. Does not reject. */
export async function lookedAt({
  commands,
  store,
}: Pick<Surroundings, "commands" | "store">): Promise<Look> {
  try {
    const [status, listed, numbers] = await Promise.all([
      statusFor({ seesContents: true }, { commands }),
      commands.sharedResult(["alarm", "list"]),
      greatestNumbers(store, recoveriesPrefix),
    ]);
    const alarms = v.parse(answers.alarms, listed);
    const { repository, restorableUntil, behindNowMs, lastProven, capture, tables } = status;
    const sumOf = (what: "changes" | "logBytes") => tables.reduce((sum, one) => sum + one[what], 0);
    const sums = { changes: sumOf("changes"), logBytes: sumOf("logBytes") };
    const told = { repository, restorableUntil, behindNowMs, lastProven };
    return {
      status: { ...told, capture: capture.state, ...sums },
      openAlarms: alarms.open.filter(({ silenced }) => !silenced).length,
      digests: {
        tables: digestOf(steady(status)),
        alarms: digestOf(alarms),
        recoveries: digestOf([...numbers]),
      },
    };
  } catch {
    // A store that is away is told as such, not as a page that has lost its server.
    return { status: null, openAlarms: null, digests: null };
  }
}

type Status = v.InferOutput<typeof answers.status>;

/** What pages show of the status, but for what moves with every tick. */
export function steady(status: Status): object {
  const { missingServers, lastProven, lastDrillFailed, keep, pins, lanes, catalog, access } =
    status;
  const ofSystem = (one: Status["catalog"]) =>
    one && [one.state, one.openGap, grown(one.intervals)];
  return {
    missingServers,
    lastProven,
    lastDrillFailed,
    keep,
    pins,
    lanes: lanes.map(({ lane, inUse, capture, writer }) => [lane, inUse, capture.state, writer]),
    systems: [ofSystem(catalog), ofSystem(access)],
    tables: status.tables.map((table) => {
      const { id, name, lane, state, stopped, openGap, damagedSince, failedDrill } = table;
      const about = { id, name, lane, state, stopped, openGap, damagedSince, failedDrill };
      return { ...about, intervals: grown(table.intervals) };
    }),
  };
}

/** Intervals, without the end of the last one, which grows. */
const grown = (intervals: Status["tables"][number]["intervals"]) =>
  intervals.map((one, i) => (i === intervals.length - 1 ? { ...one, to: "" } : one));

const digestOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("base64url").slice(0, 12);
