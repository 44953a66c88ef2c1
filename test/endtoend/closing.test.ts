import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Channel } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";

/** A dial that answers when it is told to, with a channel that notes its end. */
function slowDial() {
  let answer: (channel: Channel) => void = () => undefined;
  const dialled = new Promise<Channel>((resolve) => {
    answer = resolve;
  });
  const state = { destroyed: false };
  let closed: (error: Error) => void = () => undefined;
  const channel: Channel = {
    write: () => undefined,
    onData: () => undefined,
    onClose: (listener) => {
      closed = listener;
    },
    destroy: () => {
      state.destroyed = true;
      closed(new Error("destroyed"));
    },
  };
  return { dial: () => dialled, answer: () => answer(channel), state };
}

// An open socket keeps a process alive: a capture that was ended while it connected anew never went away.
test("a connection that is made after its source was closed is closed too", async () => {
  const { dial, answer, state } = slowDial();
  const source = new RethinkSource("a source", dial, systemClock);
  const reading = expect(source.readCatalog()).rejects.toThrow("closed");
  source.close();
  answer();
  await reading;
  expect(state.destroyed).toBe(true);
});

test("a connection that is made after its target was closed is closed too", async () => {
  const { dial, answer, state } = slowDial();
  const target = new RethinkTarget("a target", dial);
  const listing = expect(target.databases()).rejects.toThrow();
  target.close();
  answer();
  await listing;
  expect(state.destroyed).toBe(true);
});
