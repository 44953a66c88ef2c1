import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { catalogAt, tableNamed } from "../repository/catalog.js";
import { intervalAt, isExactAt, lastExactIn } from "../repository/coverage.js";
import { readCoverage } from "../repository/coverage-reader.js";
import { LogView } from "../repository/log-view.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { versionAt } from "../restore/history.js";
import { inexact } from "../restore/plan.js";
import { RememberedStore } from "../storage/remembered-store.js";
import type { Output } from "./output.js";

export interface ShowArguments {
  repo: string;
  at?: string;
  allowInexact?: boolean;
  nearest?: boolean;
}

/** @param key the primary key: JSON, or, if it is not JSON, a plain string */
export async function showCommand(
  name: string,
  key: string,
  args: ShowArguments,
  output: Output,
): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const log = await LogView.read(new RememberedStore(repository.store));
  const now = systemClock.now();
  const asked = args.at === undefined ? undefined : parseInstant(args.at, now);
  const table = tableNamed(await catalogAt(log, asked ?? now), name, asked ?? now);
  const coverage = (await readCoverage(log)).get(table.id);
  if (!coverage) {
    throw new ThinkbackError("instant", `nothing was captured of ${name}`, {
      hint: "it was excluded (see --include and --exclude of `thinkback run`), or its first copy had not begun",
    });
  }
  let instant = asked ?? coverage.frontier ?? now;
  let interval = intervalAt(coverage, instant);
  if (args.nearest && interval?.class === "exact") {
    instant = lastExactIn(interval, instant) ?? instant;
    interval = intervalAt(coverage, instant);
  }
  const isAllowed = interval?.class !== "exact" && args.allowInexact;
  if (!isExactAt(interval, instant) && !isAllowed) {
    throw inexact({ db: table.db, name: table.name }, coverage, instant);
  }
  const version = await versionAt(log, table.id, keyBytes(key), instant);
  output.note(`${name} ${key} at ${formatInstant(instant)} (${interval?.class ?? "unwatched"})`);
  if (!version?.document) {
    throw new ThinkbackError(
      "unknown",
      `${name} held no document with key ${key} at ${formatInstant(instant)}`,
      {
        hint: version
          ? `it was deleted at ${formatInstant(version.time)}; ask for an earlier instant`
          : 'a key that is not a string is given as JSON: 42, true, ["a",1]; a string that looks so, in quotes: \'"42"\'',
      },
    );
  }
  output.line(JSON.stringify(JSON.parse(version.document.toString()), null, 2));
  output.result({
    table: name,
    key: JSON.parse(version.key.toString()) as unknown,
    at: formatInstant(instant),
    class: interval?.class ?? "unwatched",
    captured: formatInstant(version.time),
    document: JSON.parse(version.document.toString()) as unknown,
  });
}

function keyBytes(key: string): Buffer {
  try {
    return Buffer.from(JSON.stringify(JSON.parse(key)));
  } catch {
    return Buffer.from(JSON.stringify(key));
  }
}
