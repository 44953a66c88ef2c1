import { systemClock } from "../clock.js";
import { messageOf } from "../errors.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import type { FollowObserver, FollowProgress } from "../recovery/follow.js";
import type { CheckedTable } from "../recovery/standby-check.js";
import type { FinishedStandby } from "../recovery/standby-finish.js";
import type { TableEvent } from "../recovery/standby-tables.js";
import { textOfJson } from "../server-text.js";
import { counted, formatCount, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";

/** What a standby lacks of what it follows. */
export interface Lacks {
  /** "db.table" each. */
  notCaptured: string[];
  /** How many documents the target refuses, by "db.table"; only tables with some. */
  leftOut: [string, number][];
}

/** Without --json, the state is printed so often while nothing else happens. */
const quietMsMax = 30_000;

/** Prints what a standby does: lines for people, or one JSON object a line. */
export class FollowPrinter implements FollowObserver {
  private readonly lines = new ProgressLines();
  private lastMs: number | undefined;
  private before = "";

  constructor(private readonly output: Output) {}

  event(event: TableEvent, table: string, detail?: string): void {
    this.say(`${table}: ${event}${detail === undefined ? "" : `: ${detail}`}`);
    this.output.result({ event, table, ...(detail === undefined ? {} : { detail }) });
  }

  copying(table: string, documents: number): void {
    this.lines.set(table, `${table}: ${counted(documents, "document")} copied or compared`);
  }

  comparing(table: string, documents: number): void {
    this.lines.set("check", `${table}: ${counted(documents, "document")} compared`);
  }

  refused(table: string, key: Buffer, reason: string): void {
    const text = textOfJson(key);
    this.output.note(`thinkback: ${table}: the target refuses document ${text}: ${reason}`);
    this.output.result({ event: "refused", table, key: text, reason });
  }

  disowned(): void {
    this.say("the end of the log was not continued by another writer; tables are compared again");
    this.output.result({ event: "compared again" });
  }

  notHeld({ message }: Error): void {
    this.output.note(
      `thinkback: cannot place a hold in the repository (${message}). Let nothing expire until the copy is complete`,
    );
  }

  trouble(error: unknown): void {
    this.output.note(`thinkback: ${messageOf(error)}; trying again`);
    this.output.result({ event: "trouble", message: messageOf(error) });
  }

  access(users: string[], grants: number): void {
    this.say(`${counted(grants, "grant")} restored`);
    for (const user of users) this.say(`user ${user} was made without a usable password`);
  }

  stepped(progress: FollowProgress): void {
    const { instant, tables, held, isCatalogProven, notCaptured, changes } = progress;
    const behindMs = instant === undefined ? undefined : systemClock.now() - instant;
    const inexact = held.map(({ config, reason }) => ({
      table: `${config.db}.${config.name}`,
      reason,
    }));
    this.output.result({
      event: "status",
      instant: instant === undefined ? null : formatInstant(instant),
      behindMs: behindMs ?? null,
      tables,
      changes,
      inexact,
      catalog: isCatalogProven ? "exact" : "unproven",
      notCaptured,
    });
    const state = inexact.map(
      ({ table, reason }) => `INEXACT until a resync: ${table} (${reason})`,
    );
    if (!isCatalogProven) state.push("the catalog is not proven: what was dropped is not followed");
    for (const table of notCaptured) state.push(`${table} exists, but nothing of it is captured`);
    const text =
      instant === undefined
        ? "nothing is captured yet that could be followed"
        : `as of ${formatInstant(instant)}, ${formatDuration(behindMs!)} behind; ${counted(tables, "table")}, ${counted(changes, "change")}`;
    for (const line of [text, ...state]) this.lines.set(line === text ? "state" : line, line);
    const now = systemClock.monotonicMs();
    const isNews = state.join() !== this.before;
    if (!isNews && this.lastMs !== undefined && now - this.lastMs < quietMsMax) return;
    for (const line of [text, ...state]) this.say(line);
    [this.lastMs, this.before] = [now, state.join()];
  }

  /** The standby is to be as of an instant, and is. */
  done(instant: Instant, tables: number, checked: CheckedTable[] | undefined, lacks: Lacks): void {
    const documents = checked?.reduce((sum, one) => sum + one.documents, 0);
    const different = checked?.reduce((sum, one) => sum + one.different, 0);
    const compared =
      documents === undefined
        ? ""
        : `; ${counted(documents, "document")} compared, ${formatCount(different!)} different`;
    for (const { table, keys } of checked ?? []) {
      if (keys.length > 0) this.say(`${table} differs: ${keys.join(", ")}`);
    }
    for (const table of lacks.notCaptured) {
      this.say(
        `${table} existed then, but nothing of it was captured; the standby does not have it`,
      );
    }
    for (const [table, count] of lacks.leftOut) {
      this.say(`${table}: ${counted(count, "document")} left out, which the target refuses`);
    }
    this.say(`${counted(tables, "table")} as of ${formatInstant(instant)}${compared}`);
    this.output.result({
      event: "done",
      instant: formatInstant(instant),
      tables,
      checked: checked ?? null,
      notCaptured: lacks.notCaptured,
      leftOut: Object.fromEntries(lacks.leftOut),
    });
  }

  finished({ instant, tables, behind, kept, usersLacking }: FinishedStandby): void {
    const behindThen = behind.map((one) => ({ ...one, instant: formatInstant(one.instant) }));
    for (const { table, instant: at } of behindThen) this.say(`${table} is as of ${at} only`);
    if (kept.length > 0) this.say(`kept, though the source had dropped them: ${kept.join(", ")}`);
    if (usersLacking.length > 0) {
      this.say(
        `users and grants are not followed; these users are not here: ${usersLacking.join(", ")}. --with-access, given together with --finish, makes them; now make them by hand, with the grants that \`thinkback catalog\` lists`,
      );
    }
    this.say(
      `finished: ${counted(tables, "table")} as of ${formatInstant(instant)} take writes. This cluster is yours now; follow cannot write to it any more`,
    );
    const at = formatInstant(instant);
    this.output.result({
      event: "finished",
      instant: at,
      tables,
      behind: behindThen,
      kept,
      usersLacking,
    });
  }

  /** @param isAmidst some tables are not as of the instant, because a step to it was ended */
  stopped(instant: Instant | null, isAmidst: boolean): void {
    const at = instant === null ? null : formatInstant(instant);
    this.say(
      isAmidst
        ? `stopped amidst a step to ${at}; the standby is as of no one instant, and --until brings it to one`
        : `stopped; the standby is as of ${at ?? "no instant yet"}`,
    );
    this.output.result({ event: "stopped", instant: isAmidst ? null : at });
  }

  end(): void {
    this.lines.clear();
  }

  private say(text: string): void {
    this.lines.clear();
    this.output.line(text);
  }
}
