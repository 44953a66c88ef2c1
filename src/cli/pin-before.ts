/** Pins the instant before a command changes live tables. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { withLease } from "../repository/registers/lease.js";
import type { Pin } from "../repository/registers/pins.js";
import { type PinRequest, pinInstant } from "../restore/pin.js";
import { whenProven } from "../restore/when-proven.js";
import { type Output, waitingText } from "./output.js";

/**
 * Pins `now` as soon as it is proven; if it is not in time, the newest instant that can be restored, and says so.
 * @param waitMsMax how long the proof is waited for at most; as long as a capture may take, if not given
 */
export async function pinBefore(
  repository: Repository,
  request: Omit<PinRequest, "at" | "allowInexact">,
  now: Instant,
  output: Output,
  waitMsMax?: number,
): Promise<Pin> {
  const { store } = repository;
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(store, systemClock, thisProcess, randomBytes(4).toString("hex"), work);
  const pinAt = (at?: Instant) => {
    const asked = { ...request, ...(at === undefined ? {} : { at }), allowInexact: true };
    return pinInstant(repository, asked, now, underLease);
  };
  try {
    const onWait = (ms: number) => output.note(waitingText(ms));
    const pinned = () => pinAt(now);
    return (await whenProven(repository, now, pinned, systemClock, onWait, waitMsMax)).pin;
  } catch (error) {
    if (!(error instanceof ThinkbackError) || error.code !== "instant") throw error;
    const { pin } = await pinAt();
    output.note(
      `thinkback: ${error.message}; the newest instant that can be restored is pinned instead`,
    );
    return pin;
  }
}
