/** The part of the table of options that says how a capture is watched. */
import { fileOf } from "./connection-options.js";
import type { OptionRow } from "./option.js";

export const health: OptionRow[] = [
  {
    flag: "--metrics <address>",
    key: "health.metrics",
    variable: "THINKBACK_METRICS",
    type: "text",
    commands: ["run"],
    description:
      "serve metrics for Prometheus here: a port of this machine's loopback, or host:port. Whoever reaches it reads them",
  },
  {
    flag: "--heartbeat-url <url>",
    key: "health.heartbeat_url",
    variable: "THINKBACK_HEARTBEAT_URL",
    type: "secret url",
    commands: ["run"],
    description: "ask for this URL every minute, as long as everything is proven and stored",
    oneOf: "heartbeat",
  },
  {
    flag: "--heartbeat-url-file <file>",
    key: "health.heartbeat_url_file",
    variable: "THINKBACK_HEARTBEAT_URL_FILE",
    type: "path",
    commands: ["run"],
    description: fileOf("the URL of the heartbeat"),
    isSecretFile: true,
    oneOf: "heartbeat",
  },
];
