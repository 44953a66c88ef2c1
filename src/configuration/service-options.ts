/** The part of the table of options that says what `run` serves over HTTP, and to whom. */
import { fileOf } from "./connection-options.js";
import type { OptionRow } from "./option.js";

export const serving: OptionRow[] = [
  {
    flag: "--api <address>",
    key: "api.address",
    variable: "THINKBACK_API",
    type: "text",
    commands: ["run"],
    description: "serve the HTTP API there, such as 127.0.0.1:7070",
  },
  {
    flag: "--api-host <name>",
    key: "api.hosts",
    variable: "THINKBACK_API_HOSTS",
    type: "text",
    list: true,
    commands: ["run"],
    description: "a name under which clients reach the API, beside addresses and localhost",
  },
  {
    flag: "--api-cert <file>",
    key: "api.cert",
    variable: "THINKBACK_API_CERT",
    type: "path",
    commands: ["run"],
    description: "the certificate of the API and its chain, in PEM form",
  },
  {
    flag: "--api-key <file>",
    key: "api.key",
    variable: "THINKBACK_API_KEY",
    type: "path",
    commands: ["run"],
    description: fileOf("the key of that certificate, in PEM form"),
    isSecretFile: true,
  },
  {
    flag: "--api-insecure",
    key: "api.insecure",
    variable: "THINKBACK_API_INSECURE",
    type: "switch",
    commands: ["run"],
    description:
      "serve the API without TLS beyond this machine, because a proxy in front of it does TLS",
  },
  {
    flag: "--listen <address>",
    type: "text",
    commands: ["console"],
    default: "127.0.0.1:7071",
    description: "where the browser finds the console: a port of this machine",
  },
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
