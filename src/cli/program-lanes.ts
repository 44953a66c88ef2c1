import type { Command } from "commander";
import type { Output } from "./output.js";

/** Defines the commands that say how captures share the tables. */
export function sharing(program: Command, output: () => Output): void {
  const lanes = program
    .command("lanes")
    .description(
      "show or set in how many lanes tables are captured, so that several processes share them",
    );
  lanes
    .command("list")
    .description("show the lanes, and who captures in each")
    .action(async (args) => (await import("./lanes.js")).listLanesCommand(args, output()));
  lanes
    .command("set")
    .description("capture in so many lanes from now on; running captures take it up by themselves")
    .argument("<count>", "1 to 64; tables that change their lane are read once")
    .action(async (count, args) =>
      (await import("./lanes.js")).setLanesCommand(count, args, output()),
    );
}
