/** The part of the table of options that says what a report is of, and who signs it. */
import type { OptionRow } from "./option.js";

const command = "evidence export";

export const reporting: OptionRow[] = [
  {
    flag: "--from <time>",
    type: "text",
    commands: [command],
    description: "the beginning of the period",
    mandatory: true,
  },
  {
    flag: "--to <time>",
    type: "text",
    commands: [command],
    description: "the end of the period; now if not given",
  },
  {
    flag: "--out <directory>",
    type: "path",
    commands: [command],
    description: "an empty or new directory; named after the period if not given",
  },
  {
    flag: "--sign <file>",
    type: "path",
    commands: [command],
    description: "the key that signs; of a sealed repository, the key at hand if not given",
    isSecretFile: true,
  },
];
