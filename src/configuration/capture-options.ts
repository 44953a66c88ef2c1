/** The part of the table of options that says how a capture works. */
import type { OptionRow } from "./option.js";

export const capturing: OptionRow[] = [
  {
    flag: "--include <pattern>",
    key: "capture.include",
    variable: "THINKBACK_INCLUDE",
    type: "pattern",
    list: true,
    commands: ["run"],
    description: 'capture only these tables: db.table, or with *: "shop.*"',
  },
  {
    flag: "--exclude <pattern>",
    key: "capture.exclude",
    variable: "THINKBACK_EXCLUDE",
    type: "pattern",
    list: true,
    commands: ["run"],
    description: "do not capture these tables",
  },
  {
    flag: "--tick <duration>",
    key: "capture.tick",
    variable: "THINKBACK_TICK",
    type: "duration",
    default: "1s",
    commands: ["run"],
    description: "length of a tick: captured changes are stored once per tick",
  },
  {
    flag: "--tick-max <duration>",
    key: "capture.tick_max",
    variable: "THINKBACK_TICK_MAX",
    type: "duration",
    commands: ["run"],
    description: "with --auto: the longest tick, used while the store is slow (default: 10s)",
  },
  {
    flag: "--once",
    type: "switch",
    commands: ["run"],
    description: "end when every table has a complete base: a one-shot backup",
  },
  {
    flag: "--copies <n>",
    key: "capture.copies",
    variable: "THINKBACK_COPIES",
    type: "count",
    default: "2",
    commands: ["run"],
    description:
      "how many large tables are copied or resynced at once; up to 16 small ones come on top",
  },
  {
    flag: "--spool <directory>",
    key: "capture.spool",
    variable: "THINKBACK_SPOOL",
    type: "path",
    commands: ["run", "doctor"],
    description:
      "where closed ticks wait while the repository's store fails; without it, in memory",
  },
  {
    flag: "--spool-limit <size>",
    key: "capture.spool_limit",
    variable: "THINKBACK_SPOOL_LIMIT",
    type: "size",
    default: "1GiB",
    commands: ["run"],
    description: "how much the spool may hold",
  },
  {
    flag: "--take-over",
    type: "switch",
    commands: ["run"],
    description:
      "go on in the place of the captures that run: without a gap if they answer, else they are shut out",
  },
  {
    flag: "--standby",
    key: "capture.standby",
    variable: "THINKBACK_STANDBY",
    type: "switch",
    commands: ["run"],
    description:
      "wait while another capture of this repository runs, and go on when it has ended or is gone; with several lanes it shares them",
  },
  {
    flag: "--trust-clock",
    type: "switch",
    commands: ["run"],
    description: "begin although this machine's clock and the source's clock disagree",
  },
  {
    flag: "--accept-cluster",
    type: "switch",
    commands: ["run"],
    description:
      "the source is another cluster now, or only the servers that are left of it: capture it from now on",
  },
  {
    flag: "--forget-server <name>",
    type: "text",
    list: true,
    commands: ["run"],
    description: "this server (name or id) is gone for good: prove the catalog without it",
  },
  {
    flag: "--log-level <level>",
    key: "log.level",
    variable: "THINKBACK_LOG_LEVEL",
    type: "text",
    choices: ["debug", "info", "warn", "error"],
    default: "info",
    commands: ["run"],
    description: "how much is logged",
  },
];
