/** The part of the table of options that says who is told of what is wrong, and when. */
import { fileOf } from "./connection-options.js";
import type { OptionRow } from "./option.js";

const telling = ["run", "alarm test"];

export const alarming: OptionRow[] = [
  {
    flag: "--alarm-webhook <url>",
    key: "alarms.webhook",
    variable: "THINKBACK_ALARM_WEBHOOK",
    type: "url",
    commands: telling,
    description: "post each alarm there, as JSON",
    oneOf: "alarm webhook",
  },
  {
    flag: "--alarm-webhook-file <file>",
    key: "alarms.webhook_file",
    variable: "THINKBACK_ALARM_WEBHOOK_FILE",
    type: "path",
    commands: telling,
    description: fileOf("the URL to post each alarm to"),
    isSecretFile: true,
    oneOf: "alarm webhook",
  },
  {
    flag: "--alarm-slack-file <file>",
    key: "alarms.slack_file",
    variable: "THINKBACK_ALARM_SLACK_FILE",
    type: "path",
    commands: telling,
    description: fileOf("the URL of an incoming webhook of Slack"),
    isSecretFile: true,
  },
  {
    flag: "--alarm-command <command>",
    key: "alarms.command",
    variable: "THINKBACK_ALARM_COMMAND",
    type: "text",
    commands: telling,
    description: "give each alarm to this command of the shell, as JSON on its standard input",
  },
  {
    flag: "--alarm-after <kind=duration>",
    key: "alarms.after",
    variable: "THINKBACK_ALARM_AFTER",
    type: "text",
    list: true,
    commands: ["run"],
    description:
      "raise a kind of alarm only after so long, such as store-away=10m; or never: store-away=off",
  },
  {
    flag: "--alarm-behind <duration>",
    key: "alarms.behind",
    variable: "THINKBACK_ALARM_BEHIND",
    type: "duration",
    default: "5m",
    commands: ["run"],
    description: "how far the newest restorable instant may be behind before that is an alarm",
  },
  {
    flag: "--alarm-digest <cron>",
    key: "alarms.digest",
    variable: "THINKBACK_ALARM_DIGEST",
    type: "cron",
    commands: ["run"],
    description: "tell at these times (UTC) what is open, also if that is nothing",
  },
  {
    flag: "--mass-change <share/duration>",
    key: "alarms.mass_change",
    variable: "THINKBACK_MASS_CHANGE",
    type: "text",
    default: "10%/1m",
    commands: ["run"],
    description:
      "deletes or overwrites of so much of a table within so long are an alarm, if they are far more than usual; or off",
  },
  {
    flag: "--for <duration>",
    type: "duration",
    commands: ["alarm silence"],
    description: "how long nobody is told",
    mandatory: true,
  },
  {
    flag: "--reason <text>",
    type: "text",
    commands: ["alarm silence"],
    description: "why, for those who look",
    mandatory: true,
  },
];
