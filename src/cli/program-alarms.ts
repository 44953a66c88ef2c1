import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that show, try and silence alarms. */
export function alarming(program: Command, output: () => Output): void {
  const alarm = program
    .command("alarm")
    .description("show what is wrong with the backup, and say who is told of it");
  alarm
    .command("list")
    .description("list the open alarms, what is silenced, and what is undelivered")
    .action(async (args) => (await import("./alarm.js")).listAlarmsCommand(args, output()));
  alarm
    .command("test")
    .description("send a test to each channel that is configured, once")
    .action(async (args) => (await import("./alarm.js")).testAlarmsCommand(args, output()));
  alarm
    .command("silence")
    .description("tell nobody of an alarm, or of a kind of alarms, for a while")
    .argument("<id or kind>", "as `alarm list` shows it")
    .action(async (what, args) =>
      (await import("./alarm.js")).silenceCommand(what, args, output()),
    );
  alarm
    .command("unsilence")
    .description("end a silence")
    .argument("<id or kind>", "as `alarm list` shows it")
    .action(async (what, args) =>
      (await import("./alarm.js")).unsilenceCommand(what, args, output()),
    );
}
