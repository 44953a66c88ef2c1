/** The command line: its commands, their options, and the checks that run before a command begins. */
import { Command, CommanderError, Help, type Option } from "commander";
import { holdsSecretKey, secretKeyHint } from "../configuration/addresses.js";
import type { Settings } from "../configuration/settings.js";
import { exitStatus, ThinkbackError } from "../errors.js";
import { type Configured, configure, originText, type Surroundings } from "./configured.js";
import { explained } from "./explained.js";
import { takeKeys } from "./keyed.js";
import { type Output, reportError, type Streams, terminalOutput } from "./output.js";
import { takePast } from "./past.js";
import { alarming } from "./program-alarms.js";
import { changing } from "./program-changes.js";
import { configuring } from "./program-config.js";
import { copying } from "./program-copies.js";
import { doctoring } from "./program-doctor.js";
import { evidencing } from "./program-evidence.js";
import { exchanging } from "./program-exchange.js";
import { sealing } from "./program-keys.js";
import { sharing } from "./program-lanes.js";
import { addOptions } from "./program-options.js";
import { promoting } from "./program-promote.js";
import { requesting } from "./program-recoveries.js";
import { seeing } from "./program-seeing.js";
import { serving } from "./program-service.js";
import { standing } from "./program-standby.js";
import { beStrict, refuseIdle } from "./strict.js";
import { version } from "./version.js";

/** What a command line has told by the time that it fails. */
interface Told {
  settings?: Settings;
}

/** Runs the command that the arguments name; resolves with the exit status. */
export async function runCommandLine(
  args: string[],
  streams: Streams = process,
  surroundings: Surroundings = { environment: process.env, directory: process.cwd() },
): Promise<number> {
  const told: Told = {};
  const program = commandLine(streams, surroundings, told);
  // Looked up by hand: an error in the arguments is printed as JSON too.
  const json = args.includes("--json");
  try {
    args.forEach(refuseSecretKey);
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      if (error.code === "commander.help") return exitStatus.usage;
      return reportError(misunderstood(error), json, streams);
    }
    return reportError(traced(explained(error), told), json, streams);
  }
}

/** A key on the command line is seen by other users, and would be repeated by whatever reads it as a file's name. */
function refuseSecretKey(arg: string, i: number, args: string[]): void {
  if (!holdsSecretKey(arg)) return;
  const option = [arg.split("=", 1)[0]!, args[i - 1] ?? ""].find((one) => /^--[a-z-]+$/.test(one));
  throw new ThinkbackError("usage", `${option ?? "an argument"} is given a secret key itself`, {
    hint: secretKeyHint,
  });
}

/** An error of usage with the places that gave the values that it names. */
function traced(error: unknown, { settings }: Told): unknown {
  if (!(error instanceof ThinkbackError) || error.code !== "usage") return error;
  const from = originText(error.message, settings);
  const { hint, message } = error;
  return new ThinkbackError("usage", message + from, { ...(hint ? { hint } : {}), cause: error });
}

function misunderstood({ message }: CommanderError): ThinkbackError {
  const line = message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  // It repeats a word that is not understood, and that may be an address.
  return new ThinkbackError("usage", line.replace(/:\/\/.*@/, "://***@"), {
    hint: "--help after a command lists its options",
  });
}

// The module of a command is loaded when the command is chosen: the driver, which some of them need, takes longer to
// load than most of the others take to work.
export function commandLine(streams: Streams, surroundings: Surroundings, told: Told): Command {
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
  for (const define of [
    capturing,
    sharing,
    sealing,
    restoring,
    promoting,
    changing,
    requesting,
    exchanging,
    standing,
    looking,
    seeing,
    folding,
    checking,
    doctoring,
    copying,
    noting,
    evidencing,
    serving,
    alarming,
  ]) {
    define(program, output);
  }
  configuring(program, output, surroundings);
  for (const command of [...program.commands, ...program.commands.flatMap((one) => one.commands)]) {
    command.exitOverride();
    if (command.commands.length > 0) command.option("--json", "print the result as JSON");
    else addOptions(command);
    beStrict(command);
  }
  beStrict(program);
  program.hook("preAction", async (_, action) => {
    if (action.opts<{ json?: boolean }>().json) program.setOptionValue("json", true);
    // The commands that look at the configuration tell its errors themselves.
    if (action.parent?.name() === "config") return;
    told.settings = await configure(action, surroundings);
    refuseIdle(action, told.settings);
    await takeKeys(action, surroundings.environment);
    takePast(action);
    const { warnings } = action.opts<Configured>();
    // A capture writes them into its log.
    if (action.name() !== "run") for (const text of warnings) output().note(`thinkback: ${text}`);
  });
  return program;
}

/** An option's description in the help. The default of a repeatable option, an empty list, is not printed. */
function optionDescription(this: Help, option: Option): string {
  if (Array.isArray(option.defaultValue)) return option.description;
  return Help.prototype.optionDescription.call(this, option);
}

/** Defines the command that captures. */
function capturing(program: Command, output: () => Output): void {
  program
    .command("run")
    .description("capture every change of a cluster until stopped")
    .action(async (args) => (await import("./run.js")).run(args, output()));
}

/** Defines the commands that restore, and that prove that a restore works. */
function restoring(program: Command, output: () => Output): void {
  program
    .command("restore")
    .description("restore tables, databases or the whole cluster to an instant")
    .action(async (args) => (await import("./restore.js")).restoreCommand(args, output()));

  program
    .command("drill")
    .description(
      "restore an instant into scratch databases, compare every document, and store the proof",
    )
    .action(async (args) => (await import("./drill.js")).drillCommand(args, output()));
}

/** Defines the commands that only read the repository. */
function looking(program: Command, output: () => Output): void {
  program
    .command("status")
    .description("show what is captured, and which instants can be restored")
    .action(async (args) => (await import("./status.js")).statusCommand(args, output()));

  program
    .command("show")
    .description("print one document as it was at an instant")
    .argument("<db.table>")
    .argument("<key>", "the primary key: a string, or JSON")
    .action(async (table, key, args) =>
      (await import("./show.js")).showCommand(table, key, args, output()),
    );

  program
    .command("catalog")
    .description(
      "show databases, tables, indexes, users and grants as of an instant, or what changed between two",
    )
    .action(async (args) => (await import("./catalog.js")).catalogCommand(args, output()));
}

/** Defines the commands that fold, thin and delete, and the one that estimates what history costs. */
function folding(program: Command, output: () => Output): void {
  program
    .command("fold")
    .description(
      "fold the log into larger segments, and each table's base and log into a newer base",
    )
    .action(async (args) => (await import("./fold.js")).foldCommand(args, output()));

  program
    .command("expire")
    .description("thin the history and expire what the declared tiers do not keep")
    .action(async (args) => (await import("./expire.js")).expireCommand(args, output()));

  program
    .command("maintain")
    .description("run one round of maintenance, as `run` does: fold what is due, expire, delete")
    .action(async (args) => (await import("./maintain.js")).maintainCommand(args, output()));

  program
    .command("plan")
    .description("estimate from measured rates what keeping the history costs, and propose options")
    .action(async (args) => (await import("./plan.js")).planCommand(args, output()));
}

/** Defines the commands that check and repair stored objects. */
function checking(program: Command, output: () => Output): void {
  program
    .command("verify")
    .description(
      "check the stored objects; report what is damaged, and which instants are lost by that",
    )
    .action(async (args) => (await import("./verify.js")).verifyCommand(args, output()));

  program
    .command("repair")
    .description(
      "rebuild damaged objects from what other objects still hold, and expire the damaged ones",
    )
    .action(async (args) => (await import("./repair.js")).repairCommand(args, output()));
}

/** Defines the commands that note something in the repository. */
function noting(program: Command, output: () => Output): void {
  program
    .command("acknowledge")
    .description("note that a gap is known, and why it happened")
    .argument("<db.table...>", "the tables that have it")
    .action(async (tables, args) =>
      (await import("./acknowledge.js")).acknowledgeCommand(tables, args, output()),
    );

  const pin = program.command("pin").description("name an instant, so that it stays restorable");

  pin
    .command("add")
    .description("pin an instant")
    .argument("<name>", "small letters, digits and hyphens")
    .action(async (name, args) => (await import("./pin.js")).addPinCommand(name, args, output()));

  pin
    .command("list")
    .description("list the pins")
    .action(async (args) => (await import("./pin.js")).listPinsCommand(args, output()));

  pin
    .command("remove")
    .description("remove a pin")
    .argument("<name>")
    .action(async (name, args) =>
      (await import("./pin.js")).removePinCommand(name, args, output()),
    );
}
