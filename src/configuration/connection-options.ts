/** The part of the table of options that says what is connected to, and where the repository is. */
import type { OptionRow } from "./option.js";

/** All commands that have a repository. */
const onRepository = (
  "run, restore, drill, status, show, history, diff, points, table, mark, catalog, fold, expire, maintain, plan, verify, repair, acknowledge, doctor, " +
  "undo, rewind, export, import, preview, follow, pin add, pin list, pin remove, lanes list, lanes set, recoveries list, recoveries show, " +
  "recoveries request, recoveries confirm, recoveries approve, recoveries cancel, recoveries approval, " +
  "alarm list, alarm test, alarm silence, alarm unsilence, init, key list, key add, key remove, key card, key drill, evidence export, console, token create, token list, token revoke"
).split(", ");

/** Those that take copies of the repository besides. */
const withCopies =
  "run, restore, drill, status, show, history, diff, points, table, catalog, plan, verify, export, preview, follow, evidence export, console".split(
    ", ",
  );
const withoutCopies = onRepository.filter((command) => !withCopies.includes(command));

/** Those that connect to a server that is not captured. */
const onTarget = ["restore", "diff", "undo", "rewind", "promote", "follow", "console"];

/** What a description says of a file that holds a secret. */
export const fileOf = (what: string) => `a file that holds ${what}, such as a secret of Docker`;

export const connections: OptionRow[] = [
  {
    flag: "--source <url>",
    key: "source.url",
    variable: "THINKBACK_SOURCE",
    type: "address",
    list: true,
    commands: ["run", "doctor"],
    description: "rethinkdb://user:password@host:port,… for one or several servers",
    oneOf: "source",
  },
  {
    flag: "--source-file <file>",
    key: "source.file",
    variable: "THINKBACK_SOURCE_FILE",
    type: "path",
    commands: ["run", "doctor"],
    description: fileOf("the URL of the source"),
    isSecretFile: true,
    oneOf: "source",
  },
  {
    key: "source.password",
    variable: "THINKBACK_SOURCE_PASSWORD",
    type: "password",
    commands: ["run", "doctor"],
    description: "the password for each URL of the source that has none",
    oneOf: "password of the source",
  },
  {
    flag: "--password-file <file>",
    key: "source.password_file",
    variable: "THINKBACK_SOURCE_PASSWORD_FILE",
    type: "path",
    commands: ["run", "doctor"],
    description: fileOf("the password of the source"),
    isSecretFile: true,
    oneOf: "password of the source",
  },
  {
    flag: "--target <url>",
    key: "target.url",
    variable: "THINKBACK_TARGET",
    type: "address",
    list: true,
    commands: onTarget,
    description: "rethinkdb://user:password@host:port,… for one or several servers",
    oneOf: "target",
  },
  {
    flag: "--target <url>",
    key: "target.url",
    variable: "THINKBACK_TARGET",
    type: "address",
    list: true,
    commands: ["drill"],
    description: "the server to drill on; without it, one is started for the drill",
    oneOf: "target",
  },
  {
    flag: "--target <url>",
    key: "target.url",
    variable: "THINKBACK_TARGET",
    type: "address",
    list: true,
    commands: ["preview"],
    description: "show it in scratch databases of this server; without it, one is started",
    oneOf: "target",
  },
  {
    flag: "--target-file <file>",
    key: "target.file",
    variable: "THINKBACK_TARGET_FILE",
    type: "path",
    commands: [...onTarget, "drill", "preview"],
    description: fileOf("the URL of the target"),
    isSecretFile: true,
    oneOf: "target",
  },
  {
    key: "target.password",
    variable: "THINKBACK_TARGET_PASSWORD",
    type: "password",
    commands: [...onTarget, "drill", "preview"],
    description: "the password for each URL of the target that has none",
    oneOf: "password of the target",
  },
  {
    flag: "--password-file <file>",
    key: "target.password_file",
    variable: "THINKBACK_TARGET_PASSWORD_FILE",
    type: "path",
    commands: [...onTarget, "drill", "preview"],
    description: fileOf("the password of the target"),
    isSecretFile: true,
    oneOf: "password of the target",
  },
  {
    flag: "--repo <location>",
    key: "repo",
    variable: "THINKBACK_REPO",
    type: "location",
    list: true,
    commands: ["run"],
    description:
      "the repository: a directory, or a bucket such as s3://bucket/prefix; given several times, also copies of it, which are kept up to date",
  },
  {
    flag: "--repo <location>",
    key: "repo",
    variable: "THINKBACK_REPO",
    type: "location",
    list: true,
    commands: withCopies.slice(1),
    description:
      "the repository: a directory, or a bucket such as s3://bucket/prefix; given several times, copies of it: what one lacks is read from the next",
  },
  {
    flag: "--repo <location>",
    key: "repo",
    variable: "THINKBACK_REPO",
    type: "location",
    commands: withoutCopies,
    description: "the repository: a directory, or a bucket such as s3://bucket/prefix",
  },
  {
    flag: "--redis <url>",
    key: "redis.url",
    variable: "THINKBACK_REDIS",
    type: "url",
    commands: ["run", "doctor"],
    description:
      "a Redis by which processes find each other: redis://:password@host:6379, or with rediss or redis+sentinel",
    oneOf: "Redis",
  },
  {
    flag: "--redis-file <file>",
    key: "redis.file",
    variable: "THINKBACK_REDIS_FILE",
    type: "path",
    commands: ["run", "doctor"],
    description: fileOf("the URL of the Redis"),
    oneOf: "Redis",
  },
  {
    flag: "--identity <file>",
    key: "keys.identity",
    variable: "THINKBACK_IDENTITY",
    type: "path",
    list: true,
    commands: [...onRepository, "copy", "promote"],
    description: "a key of the sealed repository",
    isSecretFile: true,
  },
  {
    flag: "--trust <key>",
    key: "keys.trust",
    variable: "THINKBACK_TRUST",
    type: "text",
    list: true,
    commands: [...onRepository, "copy", "promote", "evidence check"],
    description: "a verification key: key sets that it has signed count",
  },
];
