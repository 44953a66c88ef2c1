import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { formatInstant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { type LookedAtPin, lookAtPins } from "../repository/kept-pins.js";
import { withLease } from "../repository/registers/lease.js";
import { type Pin, removePin } from "../repository/registers/pins.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { whereText } from "../restore/inexact.js";
import { inexactOf, pinInstant } from "../restore/pin.js";
import { whenProven } from "../restore/when-proven.js";
import { storeAt } from "../storage/store-at.js";
import { instantOf } from "./instant-of.js";
import { durationOption } from "./maintenance-options.js";
import { formatTable, isoOrNull, type Output, waitingText } from "./output.js";

export interface AddPinArguments {
  repo: string;
  at?: string;
  note?: string;
  for?: string;
  around?: string;
  allowInexact?: boolean;
}

export async function addPinCommand(
  name: string,
  args: AddPinArguments,
  output: Output,
): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const request = {
    name,
    ...(args.at === undefined ? {} : { at: await instantOf(args.at, repository, now) }),
    ...(args.note === undefined ? {} : { note: args.note }),
    ...(args.for === undefined ? {} : { until: now + durationOption("--for", args.for, 60_000) }),
    ...(args.around === undefined ? {} : { aroundMs: aroundMsOf(args.around) }),
    allowInexact: args.allowInexact === true,
  };
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(repository.store, systemClock, thisProcess, randomUUID().slice(0, 8), work);
  const { pin, classes } = await whenProven(
    repository,
    request.at,
    () => pinInstant(repository, request, now, underLease),
    systemClock,
    (ms) => output.note(waitingText(ms)),
  );
  output.line(`pinned ${name} at ${formatInstant(pin.at)}`);
  if (pin.days) {
    const [from, to] = [formatInstant(pin.days.from), formatInstant(pin.days.to)];
    output.line(`every change from ${from} to ${to} stays too`);
  }
  for (const one of inexactOf(classes)) output.line(`${one.name} is ${whereText(one)} then`);
  const { tables, catalog, access } = classes;
  output.result({ ...pinResult(pin), tables, catalog, access: access ?? null });
}

/** At most 90 days: what is kept finely for longer is better declared with --keep. */
const aroundMsMax = 90 * 86_400_000;

const aroundMsOf = (text: string) => durationOption("--around", text, 0, aroundMsMax);

export async function listPinsCommand(args: { repo: string }, output: Output): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const pins = await lookAt(repository, lookAtPins);
  output.line(pins.length === 0 ? "no pins" : pinTable(pins));
  output.result({ pins: pins.map(lookedAtResult) });
}

export async function removePinCommand(
  name: string,
  args: { repo: string },
  output: Output,
): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const pin = await removePin(store, name, systemClock.now());
  output.line(`removed ${name}, which was at ${formatInstant(pin.at)}`);
  output.result(pinResult(pin));
}

export function pinTable(pins: LookedAtPin[]): string {
  return formatTable(
    ["pin", "instant", "holds", "made", "until", "note"],
    pins.map((pin) => [
      pin.name,
      formatInstant(pin.at),
      pin.ended ? "ended" : pin.losses.length === 0 ? "yes" : `NO: ${lossText(pin)}`,
      formatInstant(pin.made),
      pin.until === undefined ? "removed" : formatInstant(pin.until),
      pin.note ?? "",
    ]),
  );
}

/** At most so many tables are named in a line. */
const namedMax = 3;

export function lossText({ losses }: LookedAtPin): string {
  const named = losses.slice(0, namedMax).map(({ name, is }) => `${name} is ${is}`);
  const more = losses.length - named.length;
  return `${named.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

export function lookedAtResult(pin: LookedAtPin): object {
  const { ended, losses } = pin;
  return { ...pinResult(pin), holds: !ended && losses.length === 0, ended, losses };
}

export function pinResult({ name, at, made, until, note, days }: Pin): object {
  const times = { at: formatInstant(at), made: formatInstant(made), until: isoOrNull(until) };
  const keeps = days && { from: formatInstant(days.from), to: formatInstant(days.to) };
  return { name, ...times, note: note ?? null, ...(keeps ? { days: keeps } : {}) };
}
