/**
 * Tells pages what there is: the status in short, and a digest of each thing that they show. A page whose digest is
 * another one asks for the thing again, so an event that was missed does no harm. Nobody looks while no stream is open.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { recoveriesPrefix } from "../format/names.js";
import { formatInstant } from "../instant.js";
import { greatestNumbers } from "../recoveries/events.js";
import { WakeUps } from "../recoveries/wake-ups.js";
import * as answers from "./answers.js";
import type { EventSink, Surroundings } from "./route.js";
import { statusFor } from "./routes-seeing.js";

/** How often the repository is looked at at most; and how much of the time a look may take. */
const everyMs = 3000;
const everyChargedMs = 30_000;
const partMax = 1 / 5;

/** Resolves never; rejects if the client has gone or takes nothing, or the process is to end. */
export async function followChanges(around: Surroundings, to: EventSink): Promise<void> {
  const { clock, store, waker } = around;
  const pollMs = store.chargesRequests ? everyChargedMs : everyMs;
  const wakeUps = new WakeUps(clock, waker);
  try {
    await to.send("retry: 1000\n\n");
    for (;;) {
      const beganMs = clock.monotonicMs();
      const told = await look(around);
      await to.send(`event: look\ndata: ${JSON.stringify(told)}\n\n`);
      const tookMs = clock.monotonicMs() - beganMs;
      await wakeUps.wait(Math.max(pollMs, tookMs / partMax), to.signal);
      to.signal.throwIfAborted();
    }
  } finally {
    wakeUps.end();
  }
}

async function look({ commands, store, clock }: Surroundings): Promise<object> {
  // Told when it is sent: reading the status may take seconds, and pages set their clocks by it.
  const now = () => formatInstant(clock.now());
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
    return v.parse(answers.look, {
      now: now(),
      status: {
        repository,
        restorableUntil,
        behindNowMs,
        lastProven,
        capture: capture.state,
        ...sums,
      },
      openAlarms: alarms.open.filter(({ silenced }) => !silenced).length,
      digests: {
        tables: digestOf(steady(status)),
        alarms: digestOf(alarms),
        recoveries: digestOf([...numbers]),
      },
    });
  } catch {
    // A store that is away is told as such, not as a page that has lost its server.
    return v.parse(answers.look, { now: now(), status: null, openAlarms: null, digests: null });
  }
}

/** What moves with every tick, and is told by itself. */
const moving = new Set([
  "restorableUntil",
  "restorableWithoutAccess",
  "behindNowMs",
  "behindMs",
  "lastRestorable",
  "frontier",
  "heardOf",
  "lastSegment",
  "segments",
  "foldedSegments",
  "clockAheadMs",
  "changes",
  "logBytes",
  "documents",
]);

/** The status without what moves: the end of an interval that still grows too. */
function steady(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) {
    if (name !== "intervals") return value.map((one) => steady(one));
    return value.map((one: { to: string }, i) =>
      i === value.length - 1 ? { ...one, to: "" } : one,
    );
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([field]) => !moving.has(field));
  return Object.fromEntries(entries.map(([field, of]) => [field, steady(of, field)]));
}

const digestOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("base64url").slice(0, 12);
