import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands by which a recovery is requested of a process that runs elsewhere. */
export function requesting(program: Command, output: () => Output): void {
  const recoveries = program
    .command("recoveries")
    .description("request recoveries, which a `thinkback run --recoveries` carries out");
  const load = () => import("./recoveries.js");
  recoveries
    .command("list")
    .description("list the recoveries that were requested")
    .action(async (args) => (await load()).listRecoveriesCommand(args, output()));
  recoveries
    .command("show")
    .description("show a recovery: its plan, how far it is, what became of it")
    .argument("<id>", "as `recoveries list` prints it")
    .action(async (id, args) => (await load()).showRecoveryCommand(id, args, output()));
  recoveries
    .command("request")
    .description("request a recovery: restore, rewind, undo, promote or drill")
    .argument("<command...>", "behind `--`: the command and its options; a target by its name")
    .action(async (words, args) => (await load()).requestRecoveryCommand(words, args, output()));
  recoveries
    .command("confirm")
    .description("confirm the plan of a recovery that was requested with --confirm")
    .argument("<id>")
    .action(async (id, args) => (await load()).confirmRecoveryCommand(id, args, output()));
  recoveries
    .command("approve")
    .description("approve the plan of a recovery that somebody else has requested")
    .argument("<id>")
    .action(async (id, args) => (await load()).approveRecoveryCommand(id, args, output()));
  recoveries
    .command("cancel")
    .description("cancel a recovery; what it has written by then stays")
    .argument("<id>")
    .action(async (id, args) => (await load()).cancelRecoveryCommand(id, args, output()));
  recoveries
    .command("approval")
    .description("show or set which recoveries want the approval of a second person")
    .argument("[which]", "none, live (those that change live data) or all")
    .action(async (which, args) => (await load()).approvalCommand(which, args, output()));
}
