import { messageOf, ThinkbackError } from "../errors.js";
import { type Destination, toDirectory, toFile, toStream } from "../exchange/destination.js";
import { type Exported, type ExportFormat, exportTables } from "../exchange/export.js";
import { type ExportedTable, type ExportObserver, withExported } from "../exchange/exported.js";
import type { Lateness } from "../exchange/statement.js";
import { formatInstant } from "../instant.js";
import { isWhole } from "../repository/coverage/coverage.js";
import type { PlacedHold } from "../repository/registers/holds.js";
import { openRepository } from "../repository/repository.js";
import { classText } from "../restore/inexact.js";
import type { RestorePlan } from "../restore/plan.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { instantIn } from "./instant-of.js";
import { NotedSelections } from "./noted-selections.js";
import { counted, formatBytes, formatNames, formatTable, type Output } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";
import { placeReadHold } from "./read-hold.js";
import { tellDoubts } from "./restore-report.js";
import { type PastArguments, planWhenProven, requestOf } from "./restore-request.js";
import { isSelecting, type SelectArguments, selectionOf } from "./select.js";
import { unprinted } from "./standard-output.js";
import { stopOnSignals } from "./stop-signals.js";

export interface ExportArguments extends SelectArguments, PastArguments {
  repo: Repos;
  at?: string;
  format: ExportFormat;
  out: string;
  fields: string[];
}

/** Writes tables as they were at an instant in a form that other programs read. */
export async function exportCommand(args: ExportArguments, output: Output): Promise<void> {
  const { format, out } = args;
  if (args.fields.length > 0 && format !== "csv") {
    throw new ThinkbackError("usage", `--fields has no effect with --format ${format}`, {
      hint: "only csv has columns; leave --fields out",
    });
  }
  if (out === "-" && output.json) {
    throw new ThinkbackError("usage", "--json and --out - would both print to standard output", {
      hint: "give --out a file, or leave out --json",
    });
  }
  const selected = await selectionOf(args);
  const asked = args.at === undefined ? undefined : instantIn(args.at);
  const repository = await openRepository(await copiesAt(args.repo, output));
  refuseWithoutReader(repository.store);
  const at = await asked?.(repository);
  const ofTenant = args.tenant === undefined ? {} : { documentsOf: selected };
  const plan = await planWhenProven(repository, requestOf(args, at, ofTenant), output);
  const signal = stopOnSignals((name) => output.note(`thinkback: ${name}: ending the export`));
  const destination = await destinationOf(args, plan, signal);
  const progress = new ExportProgress(plan, signal);
  let hold: PlacedHold | undefined;
  try {
    hold = await placeReadHold(repository, plan, "export", output);
    const onPiece = () => progress.reading();
    const noted = new NotedSelections(plan, selected);
    const exported = await withExported(repository, plan, noted.of, onPiece, (tables) => {
      refuseNothing(tables);
      const form = { ...args, lateness: isSelecting(args) ? undefined : latenessOf(plan) };
      return exportTables(tables, plan.instant, form, destination, progress);
    });
    progress.end();
    report(plan, exported, args, output);
    tellDoubts(noted.doubts(), output);
  } catch (error) {
    let isLeft = false;
    await destination.discard().catch((why: unknown) => {
      isLeft = true;
      output.note(`thinkback: what was written could not be deleted again: ${messageOf(why)}`);
    });
    if (signal.aborted) {
      throw new ThinkbackError("incomplete", "the export was stopped before its end", {
        hint: `${isLeft ? "" : "nothing of it stays; "}give the same command again`,
        cause: error,
      });
    }
    throw error;
  } finally {
    progress.end();
    await hold?.end();
  }
}

/** How late the tables of a plan are; undefined if one of them, or the catalog, is neither exact nor late. */
function latenessOf({ tables, catalog }: RestorePlan): Lateness | undefined {
  if (![catalog, ...tables].every(isWhole)) return undefined;
  const lateMs = (of: { lateMs?: number }) => of.lateMs ?? 0;
  return {
    catalogLateMs: lateMs(catalog),
    tables: new Map(tables.map((of) => [`${of.from.db}.${of.from.name}`, lateMs(of)])),
  };
}

/** Where the export goes. Only what is one file can go to a file or to standard output. */
function destinationOf(
  { format, out }: ExportArguments,
  { tables }: RestorePlan,
  signal: AbortSignal,
): Destination | Promise<Destination> {
  if (format === "rethinkdb-dump") {
    return out === "-" ? toStandardOutput(signal) : toFile(out, signal);
  }
  const isFile = out === "-" || out.endsWith(`.${format}`);
  if (!isFile) return toDirectory(out, signal);
  if (tables.length !== 1) {
    throw new ThinkbackError(
      "usage",
      `${counted(tables.length, "table")} do not go into one file`,
      {
        hint: "choose one with --table, or give --out the name of a directory",
      },
    );
  }
  return out === "-" ? toStandardOutput(signal) : toFile(out, signal);
}

/** Standard output, of which every byte has to be taken: a reader that ends before the export does is a failure. */
function toStandardOutput(signal: AbortSignal): Destination {
  let failure: Error | undefined;
  process.stdout.once("error", (error) => (failure = error));
  const stream = toStream(process.stdout, signal);
  return {
    ...stream,
    write: async (...what) => {
      try {
        await stream.write(...what);
      } catch (error) {
        throw failure && !signal.aborted ? unprinted(failure) : error;
      }
    },
  };
}

function refuseNothing(tables: readonly ExportedTable[]): void {
  if (tables.length > 0) return;
  throw new ThinkbackError("unknown", "no table is chosen of which something was captured", {
    hint: "`thinkback status` lists the tables; choose others, or another instant",
  });
}

class ExportProgress implements ExportObserver {
  private readonly lines = new ProgressLines();
  private pieces = 0;

  constructor(
    private readonly plan: RestorePlan,
    private readonly signal: AbortSignal,
  ) {}

  reading(): void {
    this.signal.throwIfAborted();
    this.pieces += 1;
    this.lines.set("log", `${progressBar(this.pieces / this.plan.segments)} reading the log`);
  }

  at({ db, name, config }: ExportedTable, step: string, documents: number): void {
    if (documents % 1000 !== 0) return;
    this.signal.throwIfAborted();
    const rows = this.plan.tables.find((table) => table.config.id === config.id)?.base.rows ?? 0;
    const share = rows > 0 ? Math.min(1, documents / rows) : 1;
    const what = `${db}.${name}: ${step}, ${counted(documents, "document")}`;
    this.lines.set(config.id, `${progressBar(share)} ${what}`);
  }

  end(): void {
    this.lines.clear();
  }
}

function report(
  plan: RestorePlan,
  { tables, unfaithful }: Exported,
  { format, out }: ExportArguments,
  output: Output,
): void {
  const isArchive = format === "rethinkdb-dump";
  // What goes to standard output is the export itself.
  const say = (text: string) => (out === "-" ? output.note(text) : output.line(text));
  const byName = new Map(plan.tables.map((of) => [`${of.from.db}.${of.from.name}`, of]));
  const rows = tables.map(({ table, documents, bytes }) => {
    const of = byName.get(table)!;
    return [table, classText(of), formatInstant(of.instant), documents, formatBytes(bytes)];
  });
  say(
    `exported the state of ${formatInstant(plan.instant)} to ${out === "-" ? "standard output" : out}`,
  );
  say(formatTable(["table", "class", "as of", "documents", "size"], rows));
  const withTables = new Set(plan.tables.map(({ from }) => from.db));
  const leftOut = plan.databases.filter((db) => !withTables.has(db));
  if (leftOut.length > 0) {
    output.note(`thinkback: left out, because they have no tables: ${formatNames(leftOut)}`);
  }
  for (const table of plan.notCaptured) {
    output.note(`thinkback: ${table} existed then, but nothing of it was captured; it is left out`);
  }
  if (plan.notSelected.length > 0) {
    const names = formatNames(plan.notSelected);
    output.note(`thinkback: left out, because they are not named in ${plan.selectedBy}: ${names}`);
  }
  if (unfaithful > 0) {
    output.note(
      `thinkback: ${counted(unfaithful, "document")} hold surrogates that a server refuses or alters when it reads them from JSON`,
    );
  }
  const hooked = plan.tables.filter(({ config }) => config.write_hook);
  if (isArchive && hooked.length > 0) {
    const names = formatNames(hooked.map(({ from }) => `${from.db}.${from.name}`));
    output.note(
      `thinkback: ${names} have write hooks: \`rethinkdb restore\` may run a hook on the last documents of a table, ` +
        "and sets it only if the table has an index",
    );
  }
  output.result({
    at: formatInstant(plan.instant),
    format,
    out,
    tables: tables.map((table) => {
      const { class: of, instant, lateMs } = byName.get(table.table)!;
      return { ...table, class: of, lateMs: lateMs ?? null, instant: formatInstant(instant) };
    }),
    emptyDatabases: leftOut,
    notCaptured: plan.notCaptured,
    notSelected: plan.notSelected,
    unfaithful,
  });
}
