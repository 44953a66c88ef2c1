/** The part of the table of options that says who carries out recoveries that are requested, and where. */
import type { OptionRow } from "./option.js";

export const recoveries: OptionRow[] = [
  {
    flag: "--recoveries",
    key: "recoveries.enabled",
    variable: "THINKBACK_RECOVERIES",
    type: "switch",
    commands: ["run"],
    description: "carry out the recoveries that are requested in the repository",
  },
  {
    flag: "--recovery-target <name=file>",
    key: "recoveries.target",
    variable: "THINKBACK_RECOVERY_TARGET",
    type: "text",
    list: true,
    commands: ["run"],
    description:
      'a target that requests may name, and a file that holds its URL; "live" is the source itself if no file is given for it',
  },
  {
    flag: "--idempotency-key <text>",
    type: "text",
    commands: ["recoveries request"],
    description: "given again with the same request, it stands for the same recovery",
  },
  {
    flag: "--confirm",
    type: "switch",
    commands: ["recoveries request"],
    description: "make the plan, and wait for `recoveries confirm` before anything is written",
  },
  {
    flag: "--number <n>",
    type: "count",
    commands: ["recoveries confirm"],
    description:
      "the number of the event with the plan that you have seen; refused if the plan is another one",
  },
  {
    flag: "--follow",
    type: "switch",
    commands: ["recoveries show"],
    description: "print how far it is until it has ended; exit with the status of its command",
  },
];
