/** Shows, tries and silences alarms. */
import { randomUUID } from "node:crypto";
import { isSilenced, silenced, unsilenced } from "../alarms/book.js";
import type { Channel } from "../alarms/channel.js";
import { KeptBook } from "../alarms/kept-book.js";
import { factsOf, isAlarmKind, pageOf } from "../alarms/kinds.js";
import { testLetter } from "../alarms/letter.js";
import { systemClock, withTimeout } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import type { Notice, OpenAlarm, Silence } from "../repository/registers/alarms.js";
import { openRepository } from "../repository/repository.js";
import { storeAt } from "../storage/store-at.js";
import { type ChannelArguments, channelsOf, unknownKind } from "./alarm-arguments.js";
import { durationOption } from "./maintenance-options.js";
import { counted, formatTable, type Output } from "./output.js";

const silenceMsMin = 60_000;
/** At most 30 days: what is silenced for longer is forgotten. A kind that is never wanted is turned off. */
const silenceMsMax = 30 * 86_400_000;
/** How long a channel may take for a test, in ms. */
const answerMsMax = 30_000;

async function bookOf(repo: string): Promise<KeptBook> {
  const { store } = await openRepository(storeAt(repo));
  const kept = new KeptBook(store, systemClock);
  await kept.read();
  return kept;
}

export async function listAlarmsCommand(args: { repo: string }, output: Output): Promise<void> {
  const now = systemClock.now();
  const { open, silences: all, notices } = (await bookOf(args.repo)).book;
  const silences = all.filter(({ until }) => until > now);
  if (open.length === 0) output.line("no alarm is open");
  for (const alarm of open) {
    const severity = factsOf(alarm.kind)?.severity ?? "warning";
    const note = isSilenced(alarm, silences) ? ", silenced" : "";
    output.line(`${alarm.id}: ${severity}, since ${formatInstant(alarm.since)}${note}`);
    output.line(`  ${alarm.text}`);
    output.line(`  → ${factsOf(alarm.kind)?.hint ?? "see its page"} (${pageOf(alarm.kind)})`);
  }
  if (silences.length > 0) {
    const rows = silences.map(({ what, until, reason }) => [what, formatInstant(until), reason]);
    output.line(`\n${formatTable(["silenced", "until", "reason"], rows)}`);
  }
  const undelivered = countsOf(notices);
  for (const [channel, count] of undelivered) {
    output.line(
      `\n${counted(count, "notice is", "notices are")} still to be delivered to ${channel}`,
    );
  }
  output.result({
    open: open.map((alarm) => alarmResult(alarm, silences)),
    silences: silences.map(silenceResult),
    undelivered: Object.fromEntries(undelivered),
  });
}

function alarmResult(alarm: OpenAlarm, silences: readonly Silence[]): object {
  const { since, raised, kind, ...rest } = alarm;
  return {
    ...rest,
    kind,
    severity: factsOf(kind)?.severity ?? null,
    since: formatInstant(since),
    raised: formatInstant(raised),
    silenced: isSilenced(alarm, silences),
    hint: factsOf(kind)?.hint ?? null,
    docs: pageOf(kind),
  };
}

function silenceResult({ what, since, until, reason }: Silence): object {
  return { what, since: formatInstant(since), until: formatInstant(until), reason };
}

/** By channel. */
function countsOf(notices: readonly Notice[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const channel of notices.flatMap(({ to }) => to)) {
    counts.set(channel, (counts.get(channel) ?? 0) + 1);
  }
  return counts;
}

export async function testAlarmsCommand(args: ChannelArguments, output: Output): Promise<void> {
  const channels = channelsOf(args);
  if (channels.length === 0) {
    throw new ThinkbackError("usage", "no channel is given", {
      hint: "give --alarm-webhook, --alarm-slack-file or --alarm-command, or set them in the file",
    });
  }
  const results = await Promise.all(channels.map(tried));
  for (const { channel, error } of results) {
    output.line(error === null ? `${channel}: has taken it` : `${channel}: FAILED: ${error}`);
  }
  output.result({ channels: results });
  const failed = results.filter(({ error }) => error !== null);
  if (failed.length === 0) return;
  const [first] = failed;
  throw new ThinkbackError(
    "unfit",
    `${counted(failed.length, "channel has", "channels have")} not taken the test: ${first!.channel}: ${first!.error}`,
    { hint: "see that the receiver is there, and that this machine reaches it" },
  );
}

async function tried(channel: Channel): Promise<{ channel: string; error: string | null }> {
  const { name } = channel;
  const over = new AbortController();
  const letter = testLetter(`test-${randomUUID().slice(0, 8)}`, systemClock.now());
  const late = () => new Error(`no answer within ${answerMsMax / 1000} s`);
  try {
    await withTimeout(systemClock, answerMsMax, channel.deliver(letter, over.signal), late);
    return { channel: name, error: null };
  } catch (error) {
    over.abort(error);
    return { channel: name, error: messageOf(error) };
  }
}

export async function silenceCommand(
  what: string,
  args: { repo: string; for: string; reason: string },
  output: Output,
): Promise<void> {
  const ms = durationOption("--for", args.for, silenceMsMin, silenceMsMax);
  const kept = await bookOf(args.repo);
  refuseUnknown(what, kept.book.open);
  const since = systemClock.now();
  const silence = { what, since, until: since + ms, reason: args.reason };
  kept.apply((book) => silenced(book, silence));
  await kept.keep();
  output.line(`nobody is told of ${what} until ${formatInstant(silence.until)}`);
  output.result(silenceResult(silence));
}

export async function unsilenceCommand(
  what: string,
  args: { repo: string },
  output: Output,
): Promise<void> {
  const kept = await bookOf(args.repo);
  const silence = kept.book.silences.find((one) => one.what === what);
  if (!silence) {
    throw new ThinkbackError("unknown", `${what} is not silenced`, {
      hint: "`thinkback alarm list` lists the silences",
    });
  }
  kept.apply((book) => unsilenced(book, what));
  await kept.keep();
  output.line(`${what} is told of again`);
  output.result(silenceResult(silence));
}

function refuseUnknown(what: string, open: readonly OpenAlarm[]): void {
  if (isAlarmKind(what) || open.some(({ id }) => id === what)) return;
  if (/-[0-9a-f]{8}$/.test(what)) {
    throw new ThinkbackError("unknown", `no alarm ${what} is open`, {
      hint: "`thinkback alarm list` lists the open alarms",
    });
  }
  throw unknownKind(what);
}
