import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { type LaneStatus, laneStatuses } from "../repository/lane-status.js";
import { lanesMax, setLanes } from "../repository/lanes.js";
import { formatHeads } from "../repository/log/head.js";
import { lanesOf, readSettings } from "../repository/registers/settings.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { storeAt } from "../storage/store-at.js";
import { counted, formatOptionalInstant, formatTable, isoOrNull, type Output } from "./output.js";

/** Shows the lanes of a repository, and who captures in each. */
export async function listLanesCommand(args: { repo: string }, output: Output): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const lanes = await lookAt(repository, (view) => laneStatuses(view, now));
  output.line(laneTable(lanes));
  output.result({ lanes: lanes.map(laneResult) });
}

/** Declares in how many lanes tables are captured. */
export async function setLanesCommand(
  count: string,
  args: { repo: string },
  output: Output,
): Promise<void> {
  const lanes = /^\d{1,3}$/.test(count) ? Number(count) : 0;
  if (lanes < 1 || lanes > lanesMax) {
    throw new ThinkbackError("usage", `${count} is not a number of lanes`, {
      hint: `give a number from 1 to ${lanesMax}`,
    });
  }
  const repository = await openRepository(storeAt(args.repo));
  const before = lanesOf(await readSettings(repository.store));
  const settings = await setLanes(repository, lanes, systemClock.now());
  if (before === lanes) {
    output.line(`tables are captured in ${counted(lanes, "lane")} already`);
    output.result({ lanes, before });
    return;
  }
  output.line(`tables are captured in ${counted(lanesOf(settings), "lane")} from now on`);
  output.line(
    "A running capture takes this up within half a minute, and copies the tables that belong to another lane now; " +
      "until such a copy is complete the table stays in its lane too, so there is no gap",
  );
  output.result({ lanes, before });
}

export function laneTable(lanes: LaneStatus[]): string {
  const rows = lanes.map(({ lane, inUse, capture, writer, tables, lastSegment }) => [
    lane,
    inUse ? capture.state : `${tables > 0 ? "being left" : "not used any more"}, ${capture.state}`,
    writer ? `process ${writer.process} on ${writer.host}` : "-",
    tables,
    formatOptionalInstant(lastSegment),
  ]);
  return formatTable(["lane", "capture", "last writer", "tables", "last segment"], rows);
}

export function laneResult(status: LaneStatus): object {
  const { capture, head, lastSegment, writer, requests, ...lane } = status;
  return {
    ...lane,
    head: head ? formatHeads({ logs: [head], keys: undefined }) : null,
    requests: requests ? { ...requests, since: formatInstant(requests.since) } : null,
    writer: writer ?? null,
    capture: { ...capture, heardOf: isoOrNull(capture.heardOf) },
    lastSegment: isoOrNull(lastSegment),
  };
}
