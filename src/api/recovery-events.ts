/** Follows a recovery, and tells each change of it as a server-sent event. */
import * as v from "valibot";
import { formatInstant } from "../instant.js";
import { isOver } from "../recoveries/changes.js";
import type { RecoveryEvent } from "../recoveries/events.js";
import { eventsOf, type Recovery } from "../recoveries/recoveries.js";
import { WakeUps } from "../recoveries/wake-ups.js";
import * as answers from "./answers.js";
import type { EventSink, Surroundings } from "./route.js";

/** How often the repository is asked; a wake-up makes it at once. */
const everyMs = 2000;
const everyChargedMs = 10_000;
/** A proxy ends a stream on which nothing comes for a minute or so. */
const silentMsMax = 15_000;
/** How long a client that has lost the stream waits. */
const retryMs = 2000;

/** True if nothing more will become of it. A worker of one that was cancelled still says what it has left. */
export const isEnded = ({ state, worker }: Pick<Recovery, "state" | "worker">): boolean =>
  isOver(state) && worker === undefined;

/** Resolves after the last event; rejects if the client has gone or takes nothing. */
export async function followRecovery(
  id: string,
  after: number,
  seesContents: boolean,
  { store, clock, waker }: Surroundings,
  to: EventSink,
): Promise<void> {
  const pollMs = store.chargesRequests ? everyChargedMs : everyMs;
  await to.send(`retry: ${retryMs}\n\n`);
  let sentAt = clock.monotonicMs();
  const wakeUps = new WakeUps(clock, waker);
  try {
    for (let last = after; ; ) {
      for (const event of await eventsOf(store, id, last)) {
        await to.send(eventText(event, seesContents));
        [last, sentAt] = [event.number, clock.monotonicMs()];
        if (isEnded(event)) return;
      }
      if (clock.monotonicMs() - sentAt >= silentMsMax) {
        await to.send(":\n\n");
        sentAt = clock.monotonicMs();
      }
      await wakeUps.wait(pollMs, to.signal);
      to.signal.throwIfAborted();
    }
  } finally {
    wakeUps.end();
  }
}

function eventText(event: RecoveryEvent, seesContents: boolean): string {
  const { plan, at, ...rest } = event;
  const told = { ...rest, at: formatInstant(at), ...(plan ? { plan: plan.summary } : {}) };
  const data = v.parse(seesContents ? answers.event : answers.seenEvent, told);
  return `id: ${event.number}\nevent: change\ndata: ${JSON.stringify(data)}\n\n`;
}
