/** The command line: its commands and options, and what of it is refused before a command begins. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, Help, Option } from "commander";
import { exitStatus, ThinkbackError } from "../errors.js";
import { explained } from "./explained.js";
import { type Output, reportError, type Streams, terminalOutput } from "./output.js";
import { beStrict } from "./strict.js";

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

const collect = (value: string, before: string[]) => [...before, value];

const repo = ["--repo <directory>", "the repository"] as const;
const at = "--at <time>";
const gap = [
  "--gap <end>",
  "inside a gap, take the state at its begin or its end: before, after",
] as const;
const keep = [
  "--keep <tiers>",
  'declare what is kept, such as "all:7d, 1m:30d, 1d:365d"; the repository remembers it',
] as const;

/** Runs what the arguments say; resolves with the exit status. */
export async function runCommandLine(args: string[], streams: Streams = process): Promise<number> {
  const program = commandLine(streams);
  // Also where the arguments are not understood.
  const json = args.includes("--json");
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (error.code === "commander.help") return exitStatus.usage;
      return reportError(misunderstood(error), json, streams);
    }
    return reportError(explained(error), json, streams);
  }
}

function misunderstood({ message }: CommanderError): ThinkbackError {
  return new ThinkbackError("usage", message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " "), {
    hint: "--help after a command lists its options",
  });
}

// The module of a command is loaded when the command is chosen: the driver, which some of them need, takes longer to load
// than most of the others take to work.
function commandLine(streams: Streams): Command {
  const program = new Command("thinkback")
    .description("Continuous backup and point-in-time recovery for RethinkDB")
    .version(version)
    .option("--json", "print the result as JSON")
    .configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: (text) => void streams.stderr.write(text),
      outputError: () => undefined,
    })
    .configureHelp({ optionDescription })
    .exitOverride();
  const output = () => terminalOutput(program.opts<{ json?: boolean }>().json === true, streams);
  for (const define of [capturing, restoring, looking, folding, checking, noting]) {
    define(program, output);
  }
  for (const command of [...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride().option("--json", "print the result as JSON");
    command.hook("preAction", (_, action) => {
      if (action.opts<{ json?: boolean }>().json) program.setOptionValue("json", true);
    });
    beStrict(command);
  }
  beStrict(program);
  return program;
}

/** An option's line of the help; that none are given of what is repeatable is no default to print. */
function optionDescription(this: Help, option: Option): string {
  if (Array.isArray(option.defaultValue)) return option.description;
  return Help.prototype.optionDescription.call(this, option);
}

/** When bases are made and what is deleted, for `run` and `maintain`. */
function maintained(command: Command): Command {
  return command
    .option(...keep)
    .option("--fold-every <duration>", "make new bases at least this often", "1h")
    .option("--fold-at <cron>", "make new bases at these times (UTC)")
    .option("--restore-within <duration>", "make new bases when a restore to now would take longer")
    .option("--auto", "adapt folds, and ticks, to what is measured, within the bounds given")
    .option("--grace <duration>", "how long what was replaced or expired stays", "15m")
    .option("--no-delete", "delete nothing; leave that to the bucket's lifecycle rules");
}

/** What captures. */
function capturing(program: Command, output: () => Output): void {
  maintained(
    program
      .command("run")
      .description("capture every change of a cluster until stopped")
      .option("--source <url>", "rethinkdb://user:password@host:port (or THINKBACK_SOURCE)")
      .requiredOption(...repo)
      .option(
        "--include <pattern>",
        "capture only these tables: db.table, with * (repeatable)",
        collect,
        [],
      )
      .option("--exclude <pattern>", "do not capture these tables (repeatable)", collect, [])
      .option("--tick <duration>", "length of a tick", "1s")
      .option("--once", "end when every table has a complete base: a one-shot backup")
      .option("--copies <n>", "tables that are copied at once", "2")
      .option("--spool <directory>", "where closed ticks wait while the repository's store fails")
      .option("--spool-limit <size>", "bound of the spool", "1GiB")
      .option("--take-over", "shut out a writer that seems to live")
      .option("--trust-clock", "begin though this machine's clock and the source's disagree")
      .option(
        "--accept-cluster",
        "take another cluster than the one before, or what is left of it, from now on",
      )
      .option(
        "--forget-server <name>",
        "this server is gone for good: the catalog is proven without it (repeatable)",
        collect,
        [],
      )
      .option(
        "--tick-max <duration>",
        "with --auto: the longest tick, while the store is slow (default: 10s)",
      )
      .option("--drill-at <cron>", "make a drill at these times (UTC), see `thinkback drill`")
      .option("--drill-target <url>", "a server to drill on; one is started if not given")
      .option("--no-fold", "leave maintenance to another process")
      .option("--maintain-every <duration>", "how often maintenance looks what is due", "5m")
      .addOption(
        new Option("--log-level <level>", "how much is logged")
          .choices(["debug", "info", "warn", "error"])
          .default("info"),
      ),
  ).action(async (args) => (await import("./run.js")).run(args, output()));
}

/** What restores, and proves that it can be done. */
function restoring(program: Command, output: () => Output): void {
  program
    .command("restore")
    .description("restore tables, databases or the whole cluster to an instant")
    .requiredOption(...repo)
    .option("--target <url>", "rethinkdb://user:password@host:port (or THINKBACK_TARGET)")
    .option(at, "the instant to restore; the newest restorable one if not given")
    .option("--table <db.table>", "only this table (repeatable)", collect, [])
    .option("--db <name>", "only this database (repeatable)", collect, [])
    .option(
      "--rename <old=new>",
      "restore under another name: db.table=db.table or db=db (repeatable)",
      collect,
      [],
    )
    .option("--dry-run", "print the plan and change nothing")
    .option(...gap)
    .option(
      "--allow-inexact",
      "restore an instant that is not exact; inside a gap, as --gap before",
    )
    .option("--nearest", "where the history is thinned, take the last instant before that is kept")
    .option("--without-access", "leave users and grants out of a restore of everything")
    .action(async (args) => (await import("./restore.js")).restoreCommand(args, output()));

  program
    .command("drill")
    .description(
      "restore an instant into scratch databases, compare every document, and store the proof",
    )
    .requiredOption(...repo)
    .option(
      "--target <url>",
      "a server to drill on (or THINKBACK_TARGET); one is started for the drill if not given",
    )
    .option(at, "the instant to restore; any exact one, drawn by lot, if not given")
    .option("--latest", "the newest instant that all chosen tables have")
    .option("--table <db.table>", "only this table (repeatable)", collect, [])
    .option("--db <name>", "only this database (repeatable)", collect, [])
    .option("--clean", "first drop what earlier drills have left on the target")
    .action(async (args) => (await import("./drill.js")).drillCommand(args, output()));
}

/** What looks. */
function looking(program: Command, output: () => Output): void {
  program
    .command("status")
    .description("what is captured, and which instants can be restored")
    .requiredOption(...repo)
    .action(async (args) => (await import("./status.js")).statusCommand(args, output()));

  program
    .command("show")
    .description("print one document as it was at an instant")
    .argument("<db.table>")
    .argument("<key>", "the primary key: a string, or JSON")
    .requiredOption(...repo)
    .option(at, "the instant; the newest restorable one if not given")
    .option(...gap)
    .option("--allow-inexact", "show an instant that is not exact; inside a gap, as --gap before")
    .option("--nearest", "where the history is thinned, take the last instant before that is kept")
    .action(async (table, key, args) =>
      (await import("./show.js")).showCommand(table, key, args, output()),
    );

  program
    .command("catalog")
    .description(
      "databases, tables, indexes, users and grants as of an instant, or what changed between two",
    )
    .requiredOption(...repo)
    .option(at, "the instant; now if not given")
    .option("--diff <times...>", "two instants: print what changed from the first to the second")
    .action(async (args) => (await import("./catalog.js")).catalogCommand(args, output()));
}

/** What folds, thins and deletes. */
function folding(program: Command, output: () => Output): void {
  program
    .command("fold")
    .description(
      "fold the log into larger segments, and base and log of each table into a newer base",
    )
    .requiredOption(...repo)
    .option(at, "fold up to this instant; the newest exact one if not given")
    .option("--table <db.table>", "only this table (repeatable)", collect, [])
    .action(async (args) => (await import("./fold.js")).foldCommand(args, output()));

  program
    .command("expire")
    .description("thin the history and expire what the declared tiers do not keep")
    .requiredOption(...repo)
    .option(...keep)
    .option("--grace <duration>", "how long what was replaced or expired stays", "15m")
    .option("--no-delete", "delete nothing; leave that to the bucket's lifecycle rules")
    .option("--dry-run", "print what would be expired and deleted, and change nothing")
    .action(async (args) => (await import("./expire.js")).expireCommand(args, output()));

  maintained(
    program
      .command("maintain")
      .description("one round of maintenance, as `run` does them: fold what is due, expire, delete")
      .requiredOption(...repo),
  ).action(async (args) => (await import("./maintain.js")).maintainCommand(args, output()));

  program
    .command("plan")
    .description("what keeping the history costs, by what was measured, and what to choose")
    .requiredOption(...repo)
    .option("--keep <tiers>", "look at these tiers too (repeatable)", collect, [])
    .option("--price-storage <price>", "of 1 GB stored for a month", "0.023")
    .option("--price-put <price>", "of 1000 requests that write; of a bucket, such as 0.005", "0")
    .option("--price-get <price>", "of 1000 requests that read; of a bucket, such as 0.0004", "0")
    .action(async (args) => (await import("./plan.js")).planCommand(args, output()));
}

/** What checks and repairs what is stored. */
function checking(program: Command, output: () => Output): void {
  program
    .command("verify")
    .description("check the stored objects, and say what is damaged and what that costs")
    .requiredOption(...repo)
    .option("--data", "read every object to its end, line by line")
    .option("--sample <share>", "read a random share of the objects to their ends, such as 5%")
    .action(async (args) => (await import("./verify.js")).verifyCommand(args, output()));

  program
    .command("repair")
    .description("rebuild damaged objects of what others still hold, and let the damaged ones go")
    .requiredOption(...repo)
    .option("--data", "first read every object to its end, line by line")
    .option("--dry-run", "print what could be rebuilt, and change nothing")
    .action(async (args) => (await import("./repair.js")).repairCommand(args, output()));
}

/** What notes something in the repository. */
function noting(program: Command, output: () => Output): void {
  program
    .command("acknowledge")
    .description("note that a gap is known, and why it was")
    .argument("<db.table>")
    .requiredOption(...repo)
    .requiredOption(at, "an instant inside the gap")
    .requiredOption("--note <text>", "what to remember of it")
    .action(async (table, args) =>
      (await import("./acknowledge.js")).acknowledgeCommand(table, args, output()),
    );

  const pin = program.command("pin").description("name an instant, so that it stays restorable");

  pin
    .command("add")
    .description("pin an instant")
    .argument("<name>", "small letters, digits and hyphens")
    .requiredOption(...repo)
    .option(at, "the instant; the newest restorable one if not given")
    .option("--note <text>", "what to remember of it")
    .option("--allow-inexact", "pin an instant that is not exact")
    .action(async (name, args) => (await import("./pin.js")).addPinCommand(name, args, output()));

  pin
    .command("list")
    .description("list the pins")
    .requiredOption(...repo)
    .action(async (args) => (await import("./pin.js")).listPinsCommand(args, output()));

  pin
    .command("remove")
    .description("remove a pin")
    .argument("<name>")
    .requiredOption(...repo)
    .action(async (name, args) =>
      (await import("./pin.js")).removePinCommand(name, args, output()),
    );
}
