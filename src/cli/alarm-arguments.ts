/** What the options of alarms mean. */
import type { Channel } from "../alarms/channel.js";
import { commandChannel } from "../alarms/command-channel.js";
import { slack, webhook } from "../alarms/http-channel.js";
import { type AlarmKind, isAlarmKind, kindNames } from "../alarms/kinds.js";
import { type MassBound, parseMassBound } from "../alarms/mass-change.js";
import { secretIn } from "../configuration/secret-file.js";
import { ThinkbackError } from "../errors.js";
import { durationMs } from "../instant.js";
import { similar } from "../similar.js";
import { parseCron } from "../upkeep/schedule.js";
import { durationOption } from "./maintenance-options.js";

export interface ChannelArguments {
  alarmWebhook?: string;
  alarmWebhookFile?: string;
  alarmSlackFile?: string;
  alarmCommand?: string;
}

export interface AlarmArguments extends ChannelArguments {
  alarmAfter: string[];
  alarmBehind: string;
  alarmDigest?: string;
  massChange: string;
}

/** What the options of a capture say of alarms. Throws, with code "usage", for what cannot be meant so. */
export function alarmOptions(args: AlarmArguments & { drillAt?: string }) {
  const cron = (option: string, text: string | undefined) =>
    text === undefined ? undefined : parseCron(text, option);
  return {
    channels: channelsOf(args),
    after: afterOf(args.alarmAfter),
    behindMs: durationOption("--alarm-behind", args.alarmBehind, 1000),
    digests: cron("--alarm-digest", args.alarmDigest),
    drills: cron("--drill-at", args.drillAt),
    massBound: massBoundOf(args.massChange),
  };
}

/** The channels that are asked for. Throws, with code "usage", if one could never be used. */
export function channelsOf(args: ChannelArguments): Channel[] {
  const { alarmWebhook, alarmWebhookFile, alarmSlackFile, alarmCommand } = args;
  const inFile = (file: string, option: string) => checked(secretIn(file, option), option);
  return [
    ...(alarmWebhook === undefined ? [] : [webhook(checked(alarmWebhook, "--alarm-webhook"))]),
    ...(alarmWebhookFile === undefined
      ? []
      : [webhook(inFile(alarmWebhookFile, "--alarm-webhook-file"))]),
    ...(alarmSlackFile === undefined ? [] : [slack(inFile(alarmSlackFile, "--alarm-slack-file"))]),
    ...(alarmCommand === undefined ? [] : [commandChannel(alarmCommand)]),
  ];
}

/** The way in it is often a secret: it is not repeated. */
function checked(url: string, option: string): string {
  const isRight = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  const hasPassword = isRight && (new URL(url).username !== "" || new URL(url).password !== "");
  if (isRight && !hasPassword) return url;
  const why = hasPassword ? "has a user or a password" : "is not an http or https address";
  throw new ThinkbackError("usage", `what ${option} gives ${why}`, {
    hint: "give it as https://host/path; a secret may stand in its path, if the URL is in a file",
  });
}

/** By kind: how long it has to last; undefined if it is never raised. */
function afterOf(texts: readonly string[]): Map<AlarmKind, number | undefined> {
  return new Map(
    texts.map((text) => {
      const [kind = "", after = "", ...more] = text.split("=");
      const ms = after === "off" ? undefined : durationMs(after);
      if (!isAlarmKind(kind)) throw unknownKind(kind);
      if (more.length === 0 && (after === "off" || ms !== undefined)) return [kind, ms];
      throw new ThinkbackError("usage", `--alarm-after ${text} cannot be read`, {
        hint: `give it as ${kind}=10m or ${kind}=off`,
      });
    }),
  );
}

export function unknownKind(kind: string): ThinkbackError {
  const near = similar(kind, new Set(kindNames));
  return new ThinkbackError("usage", `there is no kind of alarm "${kind}"`, {
    hint: near === undefined ? `the kinds are: ${kindNames.join(", ")}` : `did you mean ${near}?`,
  });
}

function massBoundOf(text: string): MassBound | undefined {
  const bound = parseMassBound(text);
  if (bound !== "wrong") return bound;
  throw new ThinkbackError("usage", `--mass-change ${text} cannot be read`, {
    hint: 'give a share of a table and a time of 1s to 1h, such as 10%/1m; or "off"',
  });
}
