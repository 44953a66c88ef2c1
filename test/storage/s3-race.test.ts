import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeS3 } from "./fake-s3.js";
import { race } from "./race.js";
import { hasMoto, startMoto, useTestCredentials } from "./s3-servers.js";

useTestCredentials();

let fake: FakeS3;
beforeEach(async () => {
  fake = await FakeS3.start();
});
afterEach(() => fake.stop());

const patientMs = 300_000;

test(
  "a race finds a server that checks conditions too early, and one that ignores them",
  async () => {
    fake.faults.checksTooEarly = true;
    const early = await race(fake.at("early"), { processes: 4, names: 20 });
    expect(early.winners.some((one) => one.length > 1)).toBe(true);
    fake.faults.checksTooEarly = false;
    fake.faults.ignoresConditions = true;
    const ignoring = await race(fake.at("ignoring"), { processes: 2, names: 5 });
    expect(ignoring.winners.every((one) => one.length === 2)).toBe(true);
  },
  patientMs,
);

test.skipIf(!hasMoto())(
  "8 processes that put 20 names on moto_server have one winner each",
  async () => {
    const moto = await startMoto();
    try {
      await moto.makeBucket("race");
      const location = `s3://race/place?endpoint=${moto.endpoint}`;
      const { winners, foreign } = await race(location, { processes: 8, names: 20 });
      expect(winners.filter((one) => one.length !== 1)).toEqual([]);
      expect(foreign).toEqual([]);
    } finally {
      await moto.stop();
    }
  },
  patientMs,
);
