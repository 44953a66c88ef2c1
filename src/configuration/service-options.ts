/** The part of the table of options that says what `run` serves over HTTP, and to whom. */
import type { OptionRow } from "./option.js";

export const serving: OptionRow[] = [
  {
    flag: "--role <role>",
    type: "text",
    choices: ["viewer", "operator", "approver", "admin"],
    commands: ["token create"],
    description:
      "viewer: no documents; operator: also documents, requests, pins and marks; approver: documents, approves; admin: everything",
    mandatory: true,
  },
  {
    flag: "--expires <duration>",
    type: "duration",
    commands: ["token create"],
    description: "refuse the token after this; without it, it counts until it is revoked",
  },
];
