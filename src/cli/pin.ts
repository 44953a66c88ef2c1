import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { formatInstant, parseInstant } from "../instant.js";
import { withLease } from "../repository/lease.js";
import { listPins, type Pin, removePin } from "../repository/pins.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { classText } from "../restore/inexact.js";
import { inexactOf, pinInstant } from "../restore/pin.js";
import { formatTable, type Output } from "./output.js";
import { thisProcess } from "./this-process.js";

export interface AddPinArguments {
  repo: string;
  at?: string;
  note?: string;
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
    ...(args.at === undefined ? {} : { at: parseInstant(args.at, now) }),
    ...(args.note === undefined ? {} : { note: args.note }),
    allowInexact: args.allowInexact === true,
  };
  const underLease = <T>(work: () => Promise<T>) =>
    withLease(repository.store, systemClock, thisProcess, randomUUID().slice(0, 8), work);
  const { pin, classes } = await pinInstant(repository, request, now, underLease);
  output.line(`pinned ${name} at ${formatInstant(pin.at)}`);
  for (const one of inexactOf(classes)) output.line(`${one.name} is ${classText(one)} then`);
  const { tables, catalog, access } = classes;
  output.result({ ...pinResult(pin), tables, catalog, access: access ?? null });
}

export async function listPinsCommand(args: { repo: string }, output: Output): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const pins = await listPins(store);
  output.line(pins.length === 0 ? "no pins" : pinTable(pins));
  output.result({ pins: pins.map(pinResult) });
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

export function pinTable(pins: Pin[]): string {
  return formatTable(
    ["pin", "instant", "made", "note"],
    pins.map(({ name, at, made, note }) => [
      name,
      formatInstant(at),
      formatInstant(made),
      note ?? "",
    ]),
  );
}

export function pinResult({ name, at, made, note }: Pin): object {
  return { name, at: formatInstant(at), made: formatInstant(made), note: note ?? null };
}
