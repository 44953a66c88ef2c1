/** The part of the table of options that says what a process of several does. */
import type { OptionRow } from "./option.js";

export const sharing: OptionRow[] = [
  {
    flag: "--role <roles>",
    key: "role",
    variable: "THINKBACK_ROLE",
    type: "text",
    default: "capture,fold,restore,api",
    commands: ["run"],
    description: "what this process does, of capture, fold, restore and api",
  },
];
