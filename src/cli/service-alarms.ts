/** Raises alarms beside the capture, and has them delivered. */

import { summary } from "../alarms/book.js";
import type { Channel } from "../alarms/channel.js";
import { MassWatch } from "../alarms/mass-watch.js";
import { statusSeen } from "../alarms/status-seen.js";
import { symptoms } from "../alarms/symptoms.js";
import { AlarmWatch, slackOf, type WatchObserver } from "../alarms/watch.js";
import { isFenced, messageOf, ThinkbackError } from "../errors.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import { writtenBetween } from "../recovery/written-between.js";
import { sizeBytes } from "../size.js";
import { directoryAt } from "../storage/store-at.js";
import { alarmOptions } from "./alarm-arguments.js";
import { counted } from "./output.js";
import type { Served, ServicePart } from "./served.js";

const lookEveryMs = 1000;
/** How often the spool is measured while it is used, in ms. */
const spoolEveryMs = 10_000;
/** How long the pin of a mass change counts, and how much around it stays whole. */
const massPin = ["--for", "14d", "--around", "1d"];
/** How long a pin may take: the instant has to be proven first. */
const pinMsMax = 180_000;

export const alarms: ServicePart = (served) => {
  const { args, clock, facts, reading, repository } = served;
  const { channels, after, behindMs, digests, drills, massBound } = alarmOptions(args);
  // A backup that is made once tells how it ended by its exit status.
  if (args.once) return Promise.resolve(() => Promise.resolve());

  // Before its first delivery a channel has a series, too.
  for (const { name } of channels) facts.alarmChannel(name);
  // Without a channel nobody waits for what only the status tells.
  if (channels.length > 0) served.keepReading();
  const status = () => reading.last && statusSeen(reading.last);
  const spool = new SpoolLook(served);
  const effects = {
    operatedOn: (table: string, from: Instant, to: Instant) =>
      writtenBetween(repository.store, table, from, to),
    pin: (at: Instant, table: string, note: string) => pinBefore(served, at, table, note),
    documentsOf: async (table: string) =>
      (await reading.recent())?.tables.find(({ id }) => id === table)?.documents ?? undefined,
  };
  const mass = massBound && new MassWatch(facts, massBound, clock, effects);
  const bounds = { behindMs, drills, copies: [...facts.copies.keys()] };
  const watch = new AlarmWatch(
    {
      store: repository.store,
      repository: repository.description.id,
      clock,
      random: Math.random,
      channels,
      isFirst: served.isFirst,
      look: (now, isOpen) => {
        const beside = { status: status(), spool: spool.last, isOpen };
        return symptoms(facts, now, bounds, { ...beside, massChanges: mass?.symptoms() ?? [] });
      },
      afterMs: slackOf(after),
      digests,
      digestText: (_, { book }) => {
        const tables = counted(facts.tables.size, "table");
        const ms = status()?.behindNowMs;
        const behind = ms === undefined ? "" : `, restorable until ${formatDuration(ms)} ago`;
        return `digest: ${tables} captured here${behind}; ${summary(book)}`;
      },
    },
    observerOf(served),
  );
  const stopListening = facts.onTick((lane, tick) => mass?.note(lane, tick));
  const tasks = [
    repeated(served, () => watch.step()),
    ...(mass ? [repeated(served, () => mass.step())] : []),
    ...channels.map((channel: Channel) => repeated(served, () => watch.deliver(channel))),
    repeated(served, () => spool.step()),
  ];
  return Promise.resolve(async (failure?: unknown) => {
    stopListening();
    await Promise.all(tasks);
    // Where another process has gone on, the backup goes on.
    await watch.end(failure === undefined || isFenced(failure) ? undefined : fallen(failure));
  });
};

const fallen = (failure: unknown) =>
  `nothing is captured, the process has ended: ${messageOf(failure)}`;

/** Does something every second until the process ends. What is unforeseen is logged, and it goes on. */
async function repeated(
  { clock, log, signal }: Served,
  step: () => Promise<unknown>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await step();
    } catch (error) {
      log.error({ error: String(error) }, "a look for alarms failed; it is tried again");
    }
    await clock.sleep(lookEveryMs, signal).catch(() => undefined);
  }
}

function observerOf({ facts, log }: Served): WatchObserver {
  return {
    raised: ({ id, kind, text }) => log.warn({ alarm: id, kind }, `ALARM: ${text}`),
    ended: ({ id, kind, text }) => log.info({ alarm: id, kind }, `the alarm has ended: ${text}`),
    cannotKeep: (error) =>
      log.warn(
        { error: error.message },
        "the state of the alarms cannot be stored now: until it can, it is in memory only",
      ),
    taken: (channel, id) => {
      facts.alarmDelivered(channel, true);
      log.info({ channel, notice: id }, "a notice of an alarm was delivered");
    },
    refused: (channel, error, pauseMs) => {
      facts.alarmDelivered(channel, false);
      const told = { channel, error: error.message, againInSeconds: pauseMs / 1000 };
      log.warn(told, "a notice of an alarm could not be delivered; it is tried again");
    },
  };
}

/** Pins the instant before a mass change, by `thinkback pin add`. The same one is pinned once. */
async function pinBefore(
  { commands, clock, signal }: Served,
  at: Instant,
  table: string,
  note: string,
): Promise<string> {
  const time = formatInstant(at).slice(0, 23).replaceAll(/[-:.]/g, "").toLowerCase();
  const name = `before-mass-change-${time}-${table.slice(0, 8).toLowerCase()}`;
  const options = ["--at", formatInstant(at), "--note", note, "--allow-inexact", ...massPin];
  const over = new AbortController();
  const timer = clock.sleep(pinMsMax, over.signal).then(
    () => over.abort(new Error(`no pin within ${pinMsMax / 1000} s`)),
    () => undefined,
  );
  try {
    await commands.run(["pin", "add", name, ...options], {
      signal: AbortSignal.any([signal, over.signal]),
    });
  } catch (error) {
    const isThere = error instanceof ThinkbackError && error.message.startsWith("there is a pin");
    if (!isThere) throw error;
  } finally {
    over.abort(new Error("it is pinned"));
    await timer;
  }
  return name;
}

/** Looks how full the spool is while the store fails. */
class SpoolLook {
  last: { used: number; limit: number } | undefined;
  private nextMs = 0;

  constructor(private readonly served: Served) {}

  async step(): Promise<void> {
    const { args, clock, facts } = this.served;
    const isUsed = [...facts.lanes.values()].some(({ storeFails }) => storeFails);
    if (args.spool === undefined || !isUsed) {
      this.last = undefined;
      return;
    }
    if (clock.monotonicMs() < this.nextMs) return;
    this.nextMs = clock.monotonicMs() + spoolEveryMs;
    let used = 0;
    for await (const { size } of directoryAt("--spool", args.spool).list("")) used += size;
    this.last = { used, limit: sizeBytes(args.spoolLimit)! * facts.lanes.size };
  }
}
