/** A store that is away while many tables are captured: what follows from it is not told. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { outage } from "./alarm-outage.js";
import { toldBy } from "./alarm-receiver.js";
import { Stage } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(() => stage.close());

test("a store that is away is one alarm and one end on each channel, whoever is away or killed meanwhile", async () => {
  const { webhook, command } = await outage(stage, { tables: 20, awayMs: 6000, after: "2s" });
  expect(toldBy(webhook)).toEqual(["raised store-away", "ended store-away"]);
  expect(webhook).toEqual(command);
  expect(webhook[0]!.alarm!.id).toBe(webhook[1]!.alarm!.id);
}, 180_000);
