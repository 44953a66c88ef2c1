import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import {
  type DocumentHistory,
  historyOf,
  type KeptVersion,
  type Lacking,
} from "../recovery/versions.js";
import { writtenBy } from "../recovery/written-by.js";
import type { Operation } from "../repository/records/operations.js";
import { formatResolution } from "../repository/registers/keep-policy.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { documentJson, fieldLines, fieldsJson, shortText } from "./field-text.js";
import { instantOf } from "./instant-of.js";
import { keyBytes, keyHint } from "./key-text.js";
import { type Colour, counted, isoOrNull, type Output } from "./output.js";
import { tableThen } from "./table-then.js";

export interface HistoryArguments {
  repo: Repos;
  from?: string;
  to?: string;
}

/** What of a document's history is printed. */
interface Told extends DocumentHistory {
  table: string;
  key: Buffer;
  from: Instant | undefined;
  to: Instant;
  now: Instant;
  written: Map<KeptVersion, Operation>;
}

/** @param key the primary key: JSON, or, if it is not JSON, a plain string */
export async function historyCommand(
  name: string,
  key: string,
  args: HistoryArguments,
  output: Output,
): Promise<void> {
  const sought = keyBytes(key);
  const repository = await openRepository(await copiesAt(args.repo, output));
  refuseWithoutReader(repository.store);
  const now = systemClock.now();
  const from = args.from === undefined ? undefined : await instantOf(args.from, repository, now);
  const asked = args.to === undefined ? undefined : await instantOf(args.to, repository, now);
  const told = await lookAt(repository, async (view): Promise<Told> => {
    const { id, until } = await tableThen(view, name, asked, now);
    const to = asked ?? Math.max(until, now);
    const history = await historyOf(view, id, sought, from, to);
    const written = await writtenBy(repository.store, id, sought, history.versions);
    return { ...history, table: name, key: sought, from, to, now, written };
  });
  if (told.versions.length === 0 && !told.earlier) throw nothing(told, key);
  printHistory(told, output);
  output.resultText(historyJson(told));
}

function nothing({ table, to, from }: Told, key: string): ThinkbackError {
  const stretch = `${from === undefined ? "" : ` from ${formatInstant(from)}`} to ${formatInstant(to)}`;
  const message = `no version of a document with key ${key} of ${table} is kept${stretch}`;
  return new ThinkbackError("unknown", message, { hint: keyHint });
}

const colourOf: Record<KeptVersion["kind"], Colour> = {
  known: "blue",
  inserted: "green",
  changed: "yellow",
  deleted: "red",
  "inserted again": "green",
};

function printHistory(told: Told, output: Output): void {
  const { table, key, versions, earlier, lacking, from } = told;
  output.line(`${table} ${shortText(key)}: ${counted(versions.length, "version")} kept`);
  if (earlier) {
    const since = `captured ${formatInstant(earlier.time)}`;
    output.line(`\nas it was at ${formatInstant(from!)} (${since})`);
    const text = earlier.document === null ? "no document" : shortText(earlier.document);
    output.line(`  ${text}`);
  }
  const lines = [
    ...versions.map((version) => ({
      at: version.time,
      text: versionLines(told, version, output),
    })),
    ...lacking.map((one) => ({ at: one.from, text: [output.paint("dim", lackingText(one))] })),
  ].sort((a, b) => a.at - b.at);
  for (const { text } of lines) output.line(`\n${text.join("\n")}`);
  output.note(provenText(told));
}

function provenText({ proven }: Told): string {
  if (!proven) return "nothing of this stretch is proven: there may have been other versions";
  const stretch = `from ${formatInstant(proven.from)} to ${formatInstant(proven.to)}`;
  return proven.isComplete
    ? `the history is proven complete ${stretch}`
    : `the history is proven ${stretch}, with what is lacking above`;
}

function versionLines({ now, written }: Told, version: KeptVersion, output: Output): string[] {
  const { time, kind, before, document } = version;
  const operation = written.get(version);
  const by = operation ? `  ${output.paint("blue", `${operation.type} ${operation.id}`)}` : "";
  const age = output.paint("dim", `${formatDuration(now - time)} ago`);
  const head = `${formatInstant(time)}  ${output.paint(colourOf[kind], kindText(kind))}  ${age}${by}`;
  return [head, ...fieldLines(before, document, output).map((line) => `  ${line}`)];
}

/** A document that was copied, or whose first versions have expired, may be older than its first kept version. */
const kindText = (kind: KeptVersion["kind"]) => (kind === "known" ? "first kept version" : kind);

function lackingText({ from, to, class: of, reason, resolutionMs }: Lacking): string {
  const stretch = `from ${formatInstant(from)} to ${formatInstant(to)}`;
  if (resolutionMs !== undefined)
    return `${stretch} thinned: ${formatResolution(resolutionMs)} is kept`;
  const why = reason === undefined ? "" : ` (${reason})`;
  return `${stretch} ${of}${why}: there may have been versions that nothing knows of`;
}

function historyJson(told: Told): string {
  const { table, key, from, to, versions, earlier, lacking, written } = told;
  const versionJson = (version: KeptVersion) => {
    const { time, kind, before, document } = version;
    const operation = written.get(version);
    const by = operation ? { id: operation.id, type: operation.type } : null;
    const head = JSON.stringify({ captured: formatInstant(time), kind, operation: by });
    const fields = fieldsJson(before, document);
    return `${head.slice(0, -1)},"fields":${fields},"document":${documentJson(document)}}`;
  };
  const head = JSON.stringify({ table, from: isoOrNull(from), to: formatInstant(to) });
  const gaps = lacking.map(({ from: begin, to: end, class: of, reason, resolutionMs }) => ({
    from: formatInstant(begin),
    to: formatInstant(end),
    class: of,
    reason: reason ?? null,
    resolutionMs: resolutionMs ?? null,
  }));
  return (
    `${head.slice(0, -1)},"key":${documentJson(key)},"earlier":${earlier ? versionJson(earlier) : "null"}` +
    `,"versions":[${versions.map(versionJson).join(",")}],"lacking":${JSON.stringify(gaps)}` +
    `,"proven":${JSON.stringify(provenJson(told))}}`
  );
}

function provenJson({ proven }: Told): object | null {
  if (!proven) return null;
  const { from, to, isComplete: complete } = proven;
  return { from: formatInstant(from), to: formatInstant(to), complete };
}
