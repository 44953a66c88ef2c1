import { expect, test } from "vitest";
import { accessStream, catalogStream, Frontier } from "../../src/capture/frontier.js";
import type { LogClock } from "../../src/capture/log-clock.js";
import type { LogWriter } from "../../src/repository/log/log-writer.js";
import { StillClock } from "../repository/recording.js";

const mark = (to: number) => ({ to, atMs: to });

function frontierOf(streams: Record<string, number>): Frontier {
  const clock = new StillClock();
  const log = { closedTo: 0, now: 0, aheadMs: 0, appendRecord: () => undefined };
  const frontier = new Frontier(
    log as unknown as LogWriter,
    clock,
    { isSettled: true } as LogClock,
    () => undefined,
  );
  for (const [stream, to] of Object.entries(streams)) frontier.begin(stream, mark(to));
  return frontier;
}

test("a footer does not name the tables that are proven together, wherever catalog and access are", () => {
  const tables = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`t${i}`, 1000]));
  const all = { ...tables, slow: 400, [catalogStream]: 1300, [accessStream]: 900 };
  const { frontier, lagging } = frontierOf(all).facts();
  expect(frontier).toBe(1000);
  expect(lagging).toEqual({ slow: 400, catalog: 1300, access: 900 });
});

test("where no table is watched the catalog is named", () => {
  expect(frontierOf({ [catalogStream]: 1300 }).facts()).toMatchObject({
    frontier: 0,
    lagging: { catalog: 1300 },
  });
});
