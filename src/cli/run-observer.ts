/** Logs what happens to the capture of `thinkback run`, and draws its progress. */
import type { CaptureObserver } from "../capture/capture-options.js";
import type { KeptSegment } from "../capture/left-spool.js";
import type { ClockNews } from "../capture/log-clock.js";
import type { LogLost } from "../capture/own-log.js";
import type { PaceChange } from "../capture/tick-pace.js";
import { isFenced, messageOf } from "../errors.js";
import type { Log } from "./log.js";
import { counted, formatBytes } from "./output.js";
import { ProgressLines, progressBar } from "./progress.js";

export class RunObserver
  implements Omit<CaptureObserver, "begins" | "ends" | "tickStored" | "waits">
{
  private readonly progress = new ProgressLines();
  private readonly copies = new Map<string, { documents: number; bytes: number }>();

  constructor(private readonly log: Log) {}

  state(table: { id: string; db: string; name: string }, state: string, detail: object = {}): void {
    this.progress.clear();
    const name = `${table.db}.${table.name}`;
    const entry = { table: name, id: table.id, state, ...detail };
    if (state === "gap") this.log.warn(entry, "the table is not watched");
    else
      this.log.info(
        entry,
        state === "live" ? "the table is captured completely" : `the table is ${state}`,
      );
    if (state === "live" || state === "stopped") this.progress.remove(name);
  }

  renamed({ id, db, name }: { id: string; db: string; name: string }): void {
    this.progress.clear();
    this.log.info({ table: `${db}.${name}`, id }, "the table has another name now");
  }

  moved({ id, db, name }: { id: string; db?: string; name?: string }, lane: number): void {
    const table = name === undefined ? {} : { table: `${db}.${name}` };
    this.log.info({ ...table, id, to: lane }, "the table is captured in another lane from now on");
  }

  goesOnAfter({ host, process }: { host: string; process: number }): void {
    this.progress.clear();
    this.log.warn(
      { host, process },
      "the process that captured here is gone: goes on after its last proof. Until the tables are resynced they have a gap",
    );
  }

  hasHandedOver({ host, process }: { host: string; process: number }): void {
    this.log.info({ host, process }, "another process goes on in this lane");
  }

  lost(table: { id: string; db: string; name: string }, reason: string): void {
    this.progress.clear();
    const entry = { table: `${table.db}.${table.name}`, id: table.id, reason };
    this.log.warn(entry, "the table cannot be watched now; its feed will be opened again");
  }

  stopped(table: { id: string; db: string; name: string }, error: unknown): void {
    this.progress.clear();
    const name = `${table.db}.${table.name}`;
    this.log.error(
      { table: name, id: table.id, reason: messageOf(error), stack: stackOf(error) },
      "a defect has stopped the capture of the table: from here on it has a gap. All other tables go on. Report this line. " +
        "The table is tried again after a minute, then after longer pauses of up to an hour, and when `thinkback run` is started again",
    );
  }

  scanned(
    table: { id: string; db: string; name: string },
    documents: number,
    bytes: number,
    estimate: number,
  ): void {
    this.copies.set(table.id, { documents, bytes });
    const name = `${table.db}.${table.name}`;
    const share = estimate > 0 ? Math.min(1, documents / estimate) : 1;
    this.progress.set(
      name,
      `${progressBar(share)} ${name}: ${counted(documents, "document")}, ${formatBytes(bytes)}`,
    );
  }

  storeFails(error: Error): void {
    this.progress.clear();
    this.log.warn(
      { error: error.message },
      "the repository's store fails; closed ticks wait until it is back",
    );
  }

  storeIsBack(waitedMs: number): void {
    this.log.info({ waitedMs: Math.round(waitedMs) }, "the repository's store is back");
  }

  readingStops(stops: boolean): void {
    this.progress.clear();
    if (stops)
      this.log.warn(
        "memory and spool are full: nothing is read from the source until the repository's store takes segments again",
      );
    else this.log.info("there is room again: reading goes on");
  }

  tickAdapted(change: PaceChange): void {
    this.progress.clear();
    this.log.info(change, "the length of ticks was adapted");
  }

  surveyFails(reason: string | undefined, defect?: unknown): void {
    this.progress.clear();
    if (reason === undefined)
      this.log.info("the source tells again how much is written; tables are proven again");
    else
      this.tell(
        reason,
        defect,
        "the source does not tell how much is written. Until it does, no table is proven, and nothing newer can be restored exactly",
      );
  }

  catalogUnreadable(reason: string | undefined, defect?: unknown): void {
    this.progress.clear();
    if (reason === undefined) this.log.info("the catalog can be read again");
    else
      this.tell(
        reason,
        defect,
        "the catalog cannot be read. Until it can, changes of tables, names, indexes and write hooks are not known",
      );
  }

  serversMissing(names: string[]): void {
    this.progress.clear();
    if (names.length === 0)
      this.log.info("every server of the cluster is reached again; the catalog is proven");
    else
      this.log.warn(
        { servers: names },
        "not every server of the cluster is reached. A server that is cut off may acknowledge new databases, tables, " +
          "names, users and grants unseen. Until it is back, the tables are proven, but the catalog and access are not. " +
          "If it is gone for good, start the capture again with --forget-server and its name",
      );
  }

  accessRefused(refused: boolean): void {
    this.progress.clear();
    if (refused)
      this.log.warn(
        "users and permissions may not be read: they are kept as last known. Grant the capture's user read on the database rethinkdb",
      );
    else this.log.info("users and permissions can be read again");
  }

  clockSet({ outcome, byMs }: ClockNews): void {
    this.progress.clear();
    if (outcome === "right again") {
      this.log.info("this machine's clock is right again");
    } else if (outcome === "followed") {
      this.log.warn(
        { byMs },
        "this machine's clock was set, and the source's clock confirms it. The log follows the new time; what was labelled before is late",
      );
    } else {
      this.log.warn(
        { byMs },
        "this machine's clock was set, and the source's clock does not confirm it. The log goes on by the old time. Set the clock right",
      );
    }
  }

  writeHookGone(table: { db: string; name: string }): void {
    this.progress.clear();
    this.log.warn(
      { table: `${table.db}.${table.name}` },
      "the table has no write hook any more: a reshard drops it silently. `thinkback catalog` with an earlier --at still has it",
    );
  }

  waitsForWriter({ host, process }: { host: string; process: number }, ms: number): void {
    this.log.info(
      { host, process, seconds: ms / 1000 },
      "another capture may still write to this repository: waits to see whether it stores anything. " +
        "If you know that it is gone, --take-over begins at once",
    );
  }

  standsBy({ host, process }: { host: string; process: number }, ms: number): void {
    this.progress.clear();
    this.log.info(
      { host, process, seconds: ms / 1000 },
      "another capture runs: stands by, and goes on when that one has ended or has stored nothing for so long",
    );
  }

  asksForHandOver({ host, process }: { host: string; process: number }, ms: number): void {
    this.log.info(
      { host, process, seconds: ms / 1000 },
      "another capture runs: asks it to end, and goes on where it ends",
    );
  }

  handOverEnds(goOn: number, gaps: string[]): void {
    this.progress.clear();
    const text = `${counted(goOn, "table goes on", "tables go on")} without a gap`;
    if (gaps.length === 0) this.log.info(text);
    else
      this.log.warn(
        { gaps: gaps.slice(0, 20) },
        `${text}; ${counted(gaps.length, "table has", "tables have")} a gap and will be resynced`,
      );
  }

  nobodyGoesOn({ host, process }: { host: string; process: number }): void {
    this.progress.clear();
    this.log.warn(
      { host, process },
      "the process that this capture has ended for has not gone on: it goes on itself",
    );
  }

  handOverFails(reason: string): void {
    this.progress.clear();
    this.log.warn({ reason }, "the other capture is shut out");
  }

  spoolDelivered(segments: number): void {
    this.log.info(
      { segments },
      "the segments that were left in the spool are in the repository now",
    );
  }

  spoolDropped(segments: number): void {
    this.progress.clear();
    this.log.warn(
      { segments },
      "the segments that were left in the spool do not continue the log in the repository, and were dropped. Their time is a gap, which is resynced",
    );
  }

  spoolKept({ name, what, segments }: KeptSegment): void {
    this.progress.clear();
    this.log.error(
      { segment: name, reason: what, segments },
      "A SEGMENT IN THE SPOOL IS NOT WHAT A CAPTURE OF THIS REPOSITORY WROTE. It was not delivered, and stays there with those that follow it; their time is a gap, which is resynced. Look after the spool's disk, and who may write there; then move the files away",
    );
  }

  logLost({ end }: LogLost): void {
    this.progress.clear();
    this.log.error(
      { missing: end.segment.name },
      "WHAT THIS CAPTURE HAD STORED IS GONE FROM ITS REPOSITORY: an older copy was put in its place, or objects were deleted. As soon as nothing changes there any more, the capture goes on after the end of what is left, and resyncs every table; the time between is a gap",
    );
  }

  beginsAgain(): void {
    this.log.warn(
      "the capture goes on in its repository, after the end of what is left of the log",
    );
  }

  beginsLater(error: Error): void {
    this.progress.clear();
    if (isFenced(error))
      this.log.warn({ reason: error.message }, "another process captures here now");
    else this.log.error({ error: error.message }, "the capture cannot go on yet; it tries again");
  }

  copiedInAll() {
    let documents = 0;
    let bytes = 0;
    for (const copy of this.copies.values()) {
      documents += copy.documents;
      bytes += copy.bytes;
    }
    return { tables: this.copies.size, documents, bytes };
  }

  end(): void {
    this.progress.clear();
  }

  /** Warns of a trouble. If it is a defect, logs an error with the stack, because somebody has to report it. */
  private tell(reason: string, defect: unknown, text: string): void {
    if (defect === undefined) this.log.warn({ reason }, text);
    else this.log.error({ reason, stack: stackOf(defect) }, `${text}. This is a defect: report it`);
  }
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
