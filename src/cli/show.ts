import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { laneStore } from "../repository/lanes.js";
import { LogView } from "../repository/log/log-view.js";
import { openRepository } from "../repository/repository.js";
import { versionAt } from "../restore/history.js";
import { classText } from "../restore/inexact.js";
import { textOfJson } from "../server-text.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { instantOf } from "./instant-of.js";
import { keyBytes, keyHint } from "./key-text.js";
import { type Output } from "./output.js";
import { type InstantArguments, planWhenProven, requestOf } from "./restore-request.js";

export interface ShowArguments extends InstantArguments {
  repo: Repos;
  at?: string;
}

/** @param key the primary key: JSON, or, if it is not JSON, a plain string */
export async function showCommand(
  name: string,
  key: string,
  args: ShowArguments,
  output: Output,
): Promise<void> {
  const sought = keyBytes(key);
  const repository = await openRepository(await copiesAt(args.repo, output));
  refuseWithoutReader(repository.store);
  const at = args.at === undefined ? undefined : await instantOf(args.at, repository);
  const request = requestOf({ ...args, table: [name], db: [] }, at);
  const { logs, tables } = await planWhenProven(repository, request, output);
  const { base, instant, class: of, lane, lateMs, missing } = tables[0]!;
  const log = new LogView(laneStore(repository.store, lane), logs.get(lane)!);
  const version = await versionAt(log, base, sought, instant);
  output.note(`${name} ${key} at ${formatInstant(instant)} (${classText(tables[0]!)})`);
  for (const hole of missing) {
    const times = `${formatInstant(hole.from)} to ${formatInstant(hole.to)}`;
    output.note(`without changes from ${times}, because ${hole.reason}`);
  }
  if (!version?.document) {
    throw new ThinkbackError(
      "unknown",
      `${name} held no document with key ${key} at ${formatInstant(instant)}`,
      {
        hint: version
          ? `it was deleted at ${formatInstant(version.time)}; ask for an earlier instant`
          : keyHint,
      },
    );
  }
  // Printed byte for byte: parsed and written again, it would lose the sign of -0.0, and deep nesting would be refused.
  output.line(version.document);
  const fields = JSON.stringify({
    table: name,
    at: formatInstant(instant),
    class: of,
    lateMs: lateMs ?? null,
    captured: formatInstant(version.time),
  });
  const [keyText, document] = [version.key, version.document].map(textOfJson);
  output.resultText(`${fields.slice(0, -1)},"key":${keyText},"document":${document}}`);
}
