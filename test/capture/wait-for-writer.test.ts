import { beforeEach, expect, test } from "vitest";
import { claimAfterSilence } from "../../src/capture/wait-for-writer.js";
import type { Repository } from "../../src/format/description.js";
import type { Owner } from "../../src/owner.js";
import {
  claimEpoch,
  type OwnEpoch,
  type WriterMayRun,
} from "../../src/repository/log/claim-epoch.js";
import { LogWriter } from "../../src/repository/log/log-writer.js";
import { makeRepository } from "../repository/recording.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

let time: VirtualTime;
let clock: SimulatedClock;
let repository: Repository;
let log: LogWriter;
let waits: number[];
let stop: AbortController;

/** Two containers of one host name: each is process 1 of its own space. */
const containers = ["one", "two"].map(
  (space): Owner => ({ host: "backup", process: 1, space, isAlive: () => false }),
);
const facts = { frontier: 0, lagging: {}, proofBoundMs: 2000, serverClock: null, closed: false };

beforeEach(async () => {
  time = new VirtualTime();
  clock = new SimulatedClock(new ProcessLife(time), new WallClock(time));
  repository = await makeRepository();
  const own = await claimEpoch(repository, clock, containers[0]!, false);
  const shipper = {
    waitingBytes: 0,
    isShipping: false,
    ship: (name: string, bytes: Buffer) => repository.store.put(name, bytes),
  };
  log = LogWriter.open(repository, clock, own, shipper);
  waits = [];
  stop = new AbortController();
});

/** The second one claims; what comes of it. */
function begin(owner = containers[1]!): { outcome: () => OwnEpoch | Error | undefined } {
  const claim = (silent: WriterMayRun | undefined) =>
    claimEpoch(repository, clock, owner, silent ?? false);
  const observer = { waitsForWriter: (_: object, ms: number) => void waits.push(ms) };
  let outcome: OwnEpoch | Error | undefined;
  void claimAfterSilence(repository.store, clock, claim, observer, stop.signal).then(
    (own) => (outcome = own),
    (error: Error) => (outcome = error),
  );
  return { outcome: () => outcome };
}

const store = () => log.closeTick({ ...facts, frontier: log.closedTo }).durable;

test("a writer in another container of the same host name, which stores nothing for 30 s, is passed over", async () => {
  await store();
  const { outcome } = begin();
  await time.runUntil(25_000);
  expect(outcome()).toBeUndefined();
  await time.runUntil(40_000);
  expect(outcome()).toMatchObject({ epoch: 2, last: { epoch: 1 } });
  expect(waits).toEqual([30_000]);
});

test("one that stores something meanwhile runs: the second one is refused", async () => {
  await store();
  const { outcome } = begin();
  await time.runUntil(20_000);
  await store();
  await time.runUntil(25_000);
  expect(outcome()).toMatchObject({ code: "fenced" });
});

test("so it is if it stores its first segment then, or one at the very end", async () => {
  const { outcome } = begin();
  await time.runUntil(29_000);
  await store();
  await time.runUntil(40_000);
  expect(outcome()).toMatchObject({ code: "fenced" });
});

test("nobody waits for a writer that is gone for certain, or that ended; a stop ends the wait", async () => {
  await store();
  const same = begin({ ...containers[0]! });
  await time.runUntil(100);
  expect(same.outcome()).toMatchObject({ epoch: 2 });
  expect(waits).toEqual([]);
  const { outcome } = begin();
  await time.runUntil(5000);
  expect(waits).toHaveLength(1);
  stop.abort(new Error("stopped"));
  await time.runUntil(8000);
  expect((outcome() as Error).message).toBe("stopped");
});
