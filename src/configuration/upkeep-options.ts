/** The part of the table of options that says how a repository is maintained, proven and paid for. */
import { fileOf } from "./connection-options.js";
import type { OptionRow } from "./option.js";

const maintaining = ["run", "maintain"];

export const maintenance: OptionRow[] = [
  {
    flag: "--keep <tiers>",
    key: "maintenance.keep",
    variable: "THINKBACK_KEEP",
    type: "tiers",
    commands: [...maintaining, "expire"],
    description:
      'declare how long history is kept, and how finely, such as "all:7d, 1m:30d, 1d:365d"; stored in the repository',
  },
  {
    flag: "--no-fold",
    key: "maintenance.fold",
    variable: "THINKBACK_FOLD",
    type: "switch",
    default: "true",
    commands: ["run"],
    description: "do not maintain the repository: another process does, see `thinkback maintain`",
  },
  {
    flag: "--maintain-every <duration>",
    key: "maintenance.every",
    variable: "THINKBACK_MAINTAIN_EVERY",
    type: "duration",
    commands: ["run"],
    description:
      "how often maintenance checks what is due (default: 5m; 30m in a store that charges for requests)",
  },
  {
    flag: "--fold-every <duration>",
    key: "maintenance.fold_every",
    variable: "THINKBACK_FOLD_EVERY",
    type: "duration",
    default: "1h",
    commands: maintaining,
    description: "make new bases at least this often",
  },
  {
    flag: "--fold-at <cron>",
    key: "maintenance.fold_at",
    variable: "THINKBACK_FOLD_AT",
    type: "cron",
    commands: maintaining,
    description: "make new bases at these times (UTC)",
  },
  {
    flag: "--restore-within <duration>",
    key: "maintenance.restore_within",
    variable: "THINKBACK_RESTORE_WITHIN",
    type: "duration",
    commands: maintaining,
    description: "make new bases when a restore to now would take longer than this",
  },
  {
    flag: "--auto",
    key: "maintenance.auto",
    variable: "THINKBACK_AUTO",
    type: "switch",
    commands: maintaining,
    description: "adapt folds, and the ticks of `run`, to measured speeds, within the bounds given",
  },
  {
    flag: "--grace <duration>",
    key: "maintenance.grace",
    variable: "THINKBACK_GRACE",
    type: "duration",
    default: "15m",
    commands: [...maintaining, "expire"],
    description: "how long replaced or expired objects stay before they are deleted",
  },
  {
    flag: "--no-delete",
    key: "maintenance.delete",
    variable: "THINKBACK_DELETE",
    type: "switch",
    default: "true",
    commands: [...maintaining, "expire"],
    description: "delete nothing, for credentials that may not delete",
  },
  {
    flag: "--single-writer",
    key: "maintenance.single_writer",
    variable: "THINKBACK_SINGLE_WRITER",
    type: "switch",
    commands: maintaining,
    description:
      "you vouch that nothing else writes: for a store that does not refuse a second object under a name",
  },
];

export const drills: OptionRow[] = [
  {
    flag: "--drill-at <cron>",
    key: "drill.at",
    variable: "THINKBACK_DRILL_AT",
    type: "cron",
    commands: ["run"],
    description: "make a drill at these times (UTC), see `thinkback drill`",
  },
  {
    flag: "--drill-target <url>",
    key: "drill.target",
    variable: "THINKBACK_DRILL_TARGET",
    type: "address",
    commands: ["run"],
    description: "the server to drill on; without it, one is started for each drill",
    oneOf: "drill target",
  },
  {
    flag: "--drill-target-file <file>",
    key: "drill.target_file",
    variable: "THINKBACK_DRILL_TARGET_FILE",
    type: "path",
    commands: ["run"],
    description: fileOf("the URL of the server to drill on"),
    isSecretFile: true,
    oneOf: "drill target",
  },
  {
    flag: "--expect <file>",
    key: "drill.expect",
    variable: "THINKBACK_DRILL_EXPECT",
    type: "path",
    commands: ["run", "drill"],
    description: "a file that says what a drill must find in restored tables, YAML or JSON",
  },
];

export const prices: OptionRow[] = [
  {
    flag: "--profile <name>",
    key: "prices.profile",
    variable: "THINKBACK_PRICES_PROFILE",
    type: "text",
    commands: ["plan", "table", "undo", "rewind"],
    description: "estimate in this price profile, such as aws-s3-standard",
  },
  {
    flag: "--prices <file>",
    key: "prices.file",
    variable: "THINKBACK_PRICES",
    type: "path",
    commands: ["plan", "table", "undo", "rewind"],
    description: "estimate in the price profile in this file, YAML or JSON",
  },
  {
    flag: "--price-storage <price>",
    key: "prices.storage",
    variable: "THINKBACK_PRICE_STORAGE",
    type: "price",
    commands: ["plan"],
    description: "price of 1 GB stored for a month (default: 0.023)",
  },
  {
    flag: "--price-put <price>",
    key: "prices.put",
    variable: "THINKBACK_PRICE_PUT",
    type: "price",
    commands: ["plan"],
    description: "price of 1000 requests that write (default: 0)",
  },
  {
    flag: "--price-get <price>",
    key: "prices.get",
    variable: "THINKBACK_PRICE_GET",
    type: "price",
    commands: ["plan"],
    description: "price of 1000 requests that read (default: 0)",
  },
];
