import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { damagedArchive } from "../exchange/archive-file.js";
import { importArchive, refuseUsed, type Span } from "../exchange/import.js";
import { type ListedArchive, listArchive } from "../exchange/listed-archive.js";
import type { Repository } from "../format/description.js";
import { repositoryName } from "../format/names.js";
import { formatDuration, formatInstant, type Instant, parseInstant } from "../instant.js";
import { thisProcess } from "../owner.js";
import { openOrCreateRepository, openRepository } from "../repository/repository.js";
import { storeAt } from "../storage/store-at.js";
import { counted, formatBytes, formatTable, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";
import { restoreCommand } from "./restore-command.js";
import { stopOnSignals } from "./stop-signals.js";

export interface ImportArguments {
  repo: string;
  began?: string;
  ended?: string;
  leaveOutIncomplete?: boolean;
}

/** Turns an archive of the official dump into a repository of its own. */
export async function importCommand(
  file: string,
  args: ImportArguments,
  output: Output,
): Promise<void> {
  const now = systemClock.now();
  const [began, ended] = [args.began, args.ended].map((text) =>
    text === undefined ? undefined : parseInstant(text, now),
  );
  const store = storeAt(args.repo);
  await refuseUsed(store);
  const isNew = (await store.size(repositoryName)) === undefined;
  if (!isNew) await openRepository(store);
  const signal = stopOnSignals((name) => output.note(`thinkback: ${name}: ending the import`));
  const progress = new ProgressLines();
  let repository: Repository | undefined;
  let isLeft = false;
  const left = (error: unknown) => {
    isLeft = true;
    output.note(
      `thinkback: what was put into ${store.location} could not be deleted again: ${messageOf(error)}; ` +
        "delete it yourself before you import there again",
    );
  };
  try {
    progress.set("archive", `looking through ${file}`);
    const archive = await listArchive(file, args.leaveOutIncomplete === true, signal);
    const isGiven = began !== undefined || ended !== undefined;
    const span = isGiven
      ? spanOf(archive, { began, ended }, now)
      : (statedSpan(archive, now) ?? spanOf(archive, {}, now));
    const lateMs = latenessOf(span);
    for (const name of archive.leftOut) {
      output.note(`thinkback: ${name} is left out: its documents or its settings are missing`);
    }
    const open = async () => (repository = await openOrCreateRepository(store, systemClock.now()));
    const observer = {
      reading: (table: string, documents: number, bytes: number) =>
        progress.set("archive", progressText(table, "reading", documents, bytes)),
      storing: (table: string, documents: number) =>
        progress.set("archive", progressText(table, "storing", documents)),
      left,
    };
    const options = { clock: systemClock, owner: thisProcess, observer, signal };
    const tables = await importArchive(open, archive, span, options);
    progress.clear();
    const rows = tables.map(({ table, documents, bytes, indexes }) => [
      table,
      documents,
      formatBytes(bytes),
      indexes,
    ]);
    output.line(formatTable(["table", "documents", "size", "indexes"], rows));
    output.line(`\n${importedText(span)}:`);
    output.line(`  ${restoreCommand(args.repo, span.ended, lateMs === 0)}`);
    output.result({
      at: formatInstant(span.ended),
      began: formatInstant(span.began),
      lateMs,
      tables,
      leftOut: archive.leftOut,
      repository: repository!.description.id,
    });
  } catch (error) {
    // The error that ended the import is the one to tell, whatever fails after it.
    if (repository && isNew && !isLeft) await store.delete(repositoryName).catch(left);
    if (!signal.aborted) throw error;
    throw new ThinkbackError("incomplete", "the import was stopped before its end", {
      hint: isLeft
        ? "delete what is left of it; then give the same command again"
        : "nothing of it is left; give the same command again",
      cause: error,
    });
  } finally {
    progress.clear();
  }
}

function importedText(span: Span): string {
  const [from, at] = [span.began, span.ended].map(formatInstant);
  if (!span.lateness) {
    return (
      `imported as of ${at}. The dump was read from ${from} on, table by table, while its tables changed. ` +
      "So this instant is late, not exact"
    );
  }
  if (latenessOf(span) === 0)
    return `imported as of ${at}, exactly: so says the export, and its digests hold`;
  return `imported as of ${at}, late by up to ${formatDuration(latenessOf(span))}, as it was exported`;
}

function progressText(table: string, step: string, documents: number, bytes?: number): string {
  const size = bytes === undefined ? "" : `, ${formatBytes(bytes)}`;
  return `${table}: ${step}, ${counted(documents, "document")}${size}`;
}

/** The instant of an export, as its archive says; undefined if it says nothing. Throws if the archive was altered. */
function statedSpan({ file, statement, altered }: ListedArchive, now: Instant): Span | undefined {
  if (altered !== undefined) {
    throw damagedArchive(
      file,
      `it is not as the export has written it: ${altered}`,
      "take another copy of the archive; nothing of this one was imported. If it was altered on purpose, say with --began and --ended when the export was made: then it is taken for a dump of that time",
    );
  }
  if (!statement) return undefined;
  const { instant: ended, catalogLateMs, tables } = statement;
  if (ended > now) throw notThen(ended, ended);
  const lateness = { catalogLateMs, tables: new Map(tables.map((of) => [of.table, of.lateMs])) };
  const worst = Math.max(catalogLateMs, ...lateness.tables.values());
  return { began: Math.max(0, ended - worst), ended, lateness };
}

/** By how many ms the import is late at most; 0 if it is exact. */
const latenessOf = ({ began, ended, lateness }: Span) =>
  lateness ? ended - began : Math.max(1, ended - began);

function notThen(began: Instant, ended: Instant): ThinkbackError {
  const [from, to] = [began, ended].map(formatInstant);
  return new ThinkbackError("usage", `a dump cannot have been made from ${from} to ${to}`, {
    hint: "give --began and --ended as they were; --ended is not before --began, and not to come",
  });
}

/** An archive has times to the second, and some programs round them. */
const secondMs = 1000;

/** When the dump was read: as the operator says, else as the files in the archive do. */
function spanOf(
  { file, written }: ListedArchive,
  given: { began?: Instant | undefined; ended?: Instant | undefined },
  now: Instant,
): Span {
  const began = given.began ?? (written && written.first - secondMs);
  const ended = given.ended ?? (written && Math.min(written.last + 2 * secondMs, now));
  if (began === undefined || ended === undefined) {
    throw new ThinkbackError("usage", `${file} does not tell when the dump was made`, {
      hint: "give --began and --ended: when `rethinkdb dump` was started, and when it had ended",
    });
  }
  if (began > ended || ended > now || began < 0) throw notThen(began, ended);
  return { began, ended };
}
