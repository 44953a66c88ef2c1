/** The command line: its commands, their options, and the checks that run before a command begins. */
import { readFileSync } from "node:fs";
import { Command, CommanderError, Help, Option } from "commander";
import { exitStatus, ThinkbackError } from "../errors.js";
import { explained } from "./explained.js";
import { keyed } from "./keyed.js";
import { type Output, reportError, type Streams, terminalOutput } from "./output.js";
import { copying } from "./program-copies.js";
import { sealing } from "./program-keys.js";
import { sharing } from "./program-lanes.js";
import { at, collect, copies, expectHead, gap, keep, replicated, repo } from "./program-options.js";
import { beStrict } from "./strict.js";

const { version } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
) as { version: string };

/** Runs the command that the arguments name; resolves with the exit status. */
export async function runCommandLine(args: string[], streams: Streams = process): Promise<number> {
  const program = commandLine(streams);
  // Looked up by hand: an error in the arguments is printed as JSON too.
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

// The module of a command is loaded when the command is chosen: the driver, which some of them need, takes longer to
// load than most of the others take to work.
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
  const groups = [capturing, sharing, sealing, restoring, looking, folding, checking, noting];
  for (const define of [...groups, copying]) define(program, output);
  for (const command of [...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride().option("--json", "print the result as JSON");
    command.hook("preAction", (_, action) => {
      if (action.opts<{ json?: boolean }>().json) program.setOptionValue("json", true);
    });
    if (command.options.some(({ long }) => long === "--repo")) keyed(command);
    beStrict(command);
  }
  beStrict(program);
  return program;
}

/** An option's description in the help. The default of a repeatable option, an empty list, is not printed. */
function optionDescription(this: Help, option: Option): string {
  if (Array.isArray(option.defaultValue)) return option.description;
  return Help.prototype.optionDescription.call(this, option);
}

/** Adds the options that `run` and `maintain` share: when bases are made, and what is deleted. */
function maintained(command: Command): Command {
  return command
    .option(...keep)
    .option("--fold-every <duration>", "make new bases at least this often", "1h")
    .option("--fold-at <cron>", "make new bases at these times (UTC)")
    .option(
      "--restore-within <duration>",
      "make new bases when a restore to now would take longer than this",
    )
    .option(
      "--auto",
      "adapt folds, and the ticks of `run`, to measured speeds, within the bounds given",
    )
    .option(
      "--grace <duration>",
      "how long replaced or expired objects stay before they are deleted",
      "15m",
    )
    .option("--no-delete", "delete nothing, for credentials that may not delete");
}

/** Defines the command that captures. */
function capturing(program: Command, output: () => Output): void {
  maintained(
    program
      .command("run")
      .description("capture every change of a cluster until stopped")
      .option(
        "--source <url>",
        "rethinkdb://user:password@host:port,… for one or several servers (or THINKBACK_SOURCE; repeatable)",
        collect,
        [],
      )
      .requiredOption(...replicated)
      .option(
        "--include <pattern>",
        'capture only these tables: db.table, or with *: "shop.*" (repeatable)',
        collect,
        [],
      )
      .option("--exclude <pattern>", "do not capture these tables (repeatable)", collect, [])
      .option(
        "--tick <duration>",
        "length of a tick: captured changes are stored once per tick",
        "1s",
      )
      .option("--once", "end when every table has a complete base: a one-shot backup")
      .option(
        "--copies <n>",
        "how many large tables are copied or resynced at once; up to 16 small ones come on top",
        "2",
      )
      .option(
        "--spool <directory>",
        "where closed ticks wait while the repository's store fails; without it, in memory",
      )
      .option("--spool-limit <size>", "how much the spool may hold", "1GiB")
      .option(
        "--take-over",
        "go on in the place of the captures that run: without a gap if they answer, else they are shut out",
      )
      .option(
        "--standby",
        "wait while another capture of this repository runs, and go on when it has ended or is gone; with several lanes it shares them",
      )
      .option(
        "--trust-clock",
        "begin although this machine's clock and the source's clock disagree",
      )
      .option(
        "--accept-cluster",
        "the source is another cluster now, or only the servers that are left of it: capture it from now on",
      )
      .option(
        "--forget-server <name>",
        "this server (name or id) is gone for good: prove the catalog without it (repeatable)",
        collect,
        [],
      )
      .option(
        "--tick-max <duration>",
        "with --auto: the longest tick, used while the store is slow (default: 10s)",
      )
      .option("--drill-at <cron>", "make a drill at these times (UTC), see `thinkback drill`")
      .option(
        "--drill-target <url>",
        "the server to drill on; without it, one is started for each drill",
      )
      .option(
        "--no-fold",
        "do not maintain the repository: another process does, see `thinkback maintain`",
      )
      .option("--maintain-every <duration>", "how often maintenance checks what is due", "5m")
      .addOption(
        new Option("--log-level <level>", "how much is logged")
          .choices(["debug", "info", "warn", "error"])
          .default("info"),
      ),
  ).action(async (args) => (await import("./run.js")).run(args, output()));
}

/** Defines the commands that restore, and that prove that a restore works. */
function restoring(program: Command, output: () => Output): void {
  program
    .command("restore")
    .description("restore tables, databases or the whole cluster to an instant")
    .requiredOption(...copies)
    .option(
      "--target <url>",
      "rethinkdb://user:password@host:port,… for one or several servers (or THINKBACK_TARGET; repeatable)",
      collect,
      [],
    )
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
      "restore an instant that is not exact; inside a gap, the state before it",
    )
    .option(
      "--nearest",
      "if the history is thinned at the instant, take the last kept one before it",
    )
    .option("--without-access", "leave users and grants out of a restore of everything")
    .option(...expectHead)
    .action(async (args) => (await import("./restore.js")).restoreCommand(args, output()));

  program
    .command("drill")
    .description(
      "restore an instant into scratch databases, compare every document, and store the proof",
    )
    .requiredOption(...copies)
    .option(
      "--target <url>",
      "the server to drill on (or THINKBACK_TARGET); without it, one is started for the drill",
      collect,
      [],
    )
    .option(at, "the instant to restore; if not given, an exact one is drawn by lot")
    .option("--latest", "restore the newest instant at which all chosen tables are exact")
    .option("--table <db.table>", "only this table (repeatable)", collect, [])
    .option("--db <name>", "only this database (repeatable)", collect, [])
    .option(
      "--clean",
      "first drop what earlier drills left on the target; not while another drill runs there",
    )
    .option(...expectHead)
    .action(async (args) => (await import("./drill.js")).drillCommand(args, output()));
}

/** Defines the commands that only read the repository. */
function looking(program: Command, output: () => Output): void {
  program
    .command("status")
    .description("show what is captured, and which instants can be restored")
    .requiredOption(...copies)
    .action(async (args) => (await import("./status.js")).statusCommand(args, output()));

  program
    .command("show")
    .description("print one document as it was at an instant")
    .argument("<db.table>")
    .argument("<key>", "the primary key: a string, or JSON")
    .requiredOption(...copies)
    .option(at, "the instant; the newest restorable one if not given")
    .option(...gap)
    .option(
      "--allow-inexact",
      "show an instant that is not exact; inside a gap, the state before it",
    )
    .option(
      "--nearest",
      "if the history is thinned at the instant, take the last kept one before it",
    )
    .action(async (table, key, args) =>
      (await import("./show.js")).showCommand(table, key, args, output()),
    );

  program
    .command("catalog")
    .description(
      "show databases, tables, indexes, users and grants as of an instant, or what changed between two",
    )
    .requiredOption(...copies)
    .option(at, "the instant; if not given, the newest at which the catalog is known")
    .option("--diff <times...>", "two instants: print what changed from the first to the second")
    .action(async (args) => (await import("./catalog.js")).catalogCommand(args, output()));
}

/** Defines the commands that fold, thin and delete, and the one that estimates what history costs. */
function folding(program: Command, output: () => Output): void {
  program
    .command("fold")
    .description(
      "fold the log into larger segments, and each table's base and log into a newer base",
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
    .option(
      "--grace <duration>",
      "how long replaced or expired objects stay before they are deleted",
      "15m",
    )
    .option("--no-delete", "delete nothing, for credentials that may not delete")
    .option("--dry-run", "print what would be expired and deleted, and change nothing")
    .action(async (args) => (await import("./expire.js")).expireCommand(args, output()));

  maintained(
    program
      .command("maintain")
      .description("run one round of maintenance, as `run` does: fold what is due, expire, delete")
      .requiredOption(...repo),
  ).action(async (args) => (await import("./maintain.js")).maintainCommand(args, output()));

  program
    .command("plan")
    .description("estimate from measured rates what keeping the history costs, and propose options")
    .requiredOption(...copies)
    .option("--keep <tiers>", "compute the cost of these tiers too (repeatable)", collect, [])
    .option("--price-storage <price>", "price of 1 GB stored for a month", "0.023")
    .option(
      "--price-put <price>",
      "price of 1000 requests that write; for a bucket, such as 0.005",
      "0",
    )
    .option(
      "--price-get <price>",
      "price of 1000 requests that read; for a bucket, such as 0.0004",
      "0",
    )
    .action(async (args) => (await import("./plan.js")).planCommand(args, output()));
}

/** Defines the commands that check and repair stored objects. */
function checking(program: Command, output: () => Output): void {
  program
    .command("verify")
    .description(
      "check the stored objects; report what is damaged, and which instants are lost by that",
    )
    .requiredOption(...copies)
    .option("--data", "read every object to its end, line by line")
    .option("--sample <share>", "read a random share of the objects to their ends, such as 5%")
    .option(...expectHead)
    .action(async (args) => (await import("./verify.js")).verifyCommand(args, output()));

  program
    .command("repair")
    .description(
      "rebuild damaged objects from what other objects still hold, and expire the damaged ones",
    )
    .requiredOption(...repo)
    .option("--data", "first read every object to its end, line by line")
    .option("--dry-run", "print what could be rebuilt, and change nothing")
    .action(async (args) => (await import("./repair.js")).repairCommand(args, output()));
}

/** Defines the commands that note something in the repository. */
function noting(program: Command, output: () => Output): void {
  program
    .command("acknowledge")
    .description("note that a gap is known, and why it happened")
    .argument("<db.table>")
    .requiredOption(...repo)
    .requiredOption(at, "an instant inside the gap")
    .requiredOption("--note <text>", "what to remember about it")
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
    .option("--note <text>", "what to remember about it")
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
