/**
 * The book of alarms: which are open, which are silenced, and what is still to be delivered. A pure state machine: each
 * function gives the next book, or the same one if nothing changes.
 *
 * Invariant: of each alarm whose raising was told, the end is told too, once; and of one whose raising was not told,
 * nothing. Break it and a receiver keeps an incident open for ever, or closes one that it never had.
 */
import { sha256 } from "../digest.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import type { AlarmsRecord, Notice, OpenAlarm, Silence } from "../repository/registers/alarms.js";
import type { AlarmKind } from "./kinds.js";
import { keyOf, type Symptom } from "./symptom.js";

export type Book = Omit<AlarmsRecord, "number" | "at">;

export const emptyBook: Book = { open: [], silences: [], notices: [] };

/** What was not delivered for so long is not delivered any more: its channel is not there any more. */
export const undeliveredMsMax = 7 * 86_400_000;
/** At most so many notices wait; then the oldest are given up. */
export const noticesMax = 1000;

/**
 * Raises an alarm for each symptom that has none, and ends those without a symptom.
 * @param channels whom to tell
 */
export function observed(
  book: Book,
  standing: ReadonlyMap<string, Symptom>,
  now: Instant,
  channels: readonly string[],
): Book {
  const silences = book.silences.filter(({ until }) => until > now);
  const notices: Notice[] = [];
  const open: OpenAlarm[] = [];
  const known = new Set<string>();
  for (const one of book.open) {
    known.add(keyOf(one));
    const symptom = standing.get(keyOf(one));
    const isMore = symptom && one.kind === growing && symptom.text !== one.text;
    const alarm = isMore ? { ...one, text: symptom.text } : one;
    if (!symptom) {
      if (alarm.told) notices.push(noticeOf("ended", alarm, now, channels));
      continue;
    }
    const isNews = !alarm.told && !isSilenced(alarm, silences);
    if (isNews) notices.push(noticeOf("raised", alarm, now, channels));
    open.push(isNews ? { ...alarm, told: true } : alarm);
  }
  for (const [key, { kind, of, since, text }] of standing) {
    if (known.has(key)) continue;
    const id = `${kind}-${sha256(Buffer.from(`${key} ${now}`)).slice(0, 8)}`;
    const alarm = { id, kind, of, since, raised: now, text };
    const told = !isSilenced(alarm, silences);
    open.push({ ...alarm, told });
    if (told) notices.push(noticeOf("raised", alarm, now, channels));
  }
  const isSame =
    notices.length === 0 &&
    silences.length === book.silences.length &&
    open.length === book.open.length &&
    open.every((alarm, i) => alarm === book.open[i]);
  return withNotices(isSame ? book : { ...book, open, silences }, notices, now);
}

/** The kind whose text tells how much it has become. That of all others is what it was when it was raised. */
const growing: AlarmKind = "mass-change";

function noticeOf(
  type: "raised" | "ended",
  { id, kind, of, since, text }: Omit<OpenAlarm, "raised" | "told">,
  now: Instant,
  channels: readonly string[],
): Notice {
  const lasted = `ended after ${formatDuration(Math.max(0, now - since))}: ${text}`;
  return {
    id: `${id}-${type}`,
    type,
    at: now,
    text: type === "raised" ? text : lasted,
    alarm: { id, kind, of, since },
    to: [...channels],
  };
}

/** The book with more notices, without those that nobody is to take, and those that wait in vain. */
function withNotices(book: Book, more: readonly Notice[], now: Instant): Book {
  const all = [...book.notices, ...more].filter(
    ({ at, to }) => to.length > 0 && now - at <= undeliveredMsMax,
  );
  const notices = all.slice(-noticesMax);
  const isSame =
    notices.length === book.notices.length && notices.every((one, i) => one === book.notices[i]);
  return isSame ? book : { ...book, notices };
}

export function isSilenced(
  { id, kind }: Pick<OpenAlarm, "id" | "kind">,
  silences: readonly Silence[],
): boolean {
  return silences.some(({ what }) => what === id || what === kind);
}

/** A channel has taken a notice. */
export function delivered(book: Book, channel: string, id: string): Book {
  if (!book.notices.some((one) => one.id === id && one.to.includes(channel))) return book;
  const notices = book.notices.flatMap((one) => {
    const to = one.id === id ? one.to.filter((name) => name !== channel) : one.to;
    return to.length === 0 ? [] : [to.length === one.to.length ? one : { ...one, to }];
  });
  return { ...book, notices };
}

/** The notice that a channel is to take next: each takes all of them in the order in which they were made. */
export function nextFor(book: Book, channel: string): Notice | undefined {
  return book.notices.find(({ to }) => to.includes(channel));
}

/** A silence takes the place of one of the same alarm or kind. */
export function silenced(book: Book, silence: Silence): Book {
  const others = book.silences.filter(({ what }) => what !== silence.what);
  return { ...book, silences: [...others, silence] };
}

export function unsilenced(book: Book, what: string): Book {
  const silences = book.silences.filter((one) => one.what !== what);
  return silences.length === book.silences.length ? book : { ...book, silences };
}

/**
 * A digest was due at `due`. The first time, nothing is told: digests count from then on.
 * @param text what it says
 */
export function digested(
  book: Book,
  due: Instant | undefined,
  text: string,
  now: Instant,
  channels: readonly string[],
): Book {
  if (book.digested === undefined) return { ...book, digested: now };
  if (due === undefined || due <= book.digested) return book;
  const notice: Notice = { id: `digest-${due}`, type: "digest", at: now, text, to: [...channels] };
  return withNotices({ ...book, digested: due }, [notice], now);
}

/** What is open and silenced, in words. */
export function summary({ open, silences }: Book): string {
  const lines = open.map((alarm) => {
    const note = isSilenced(alarm, silences) ? " (silenced)" : "";
    return `- ${alarm.kind} since ${formatInstant(alarm.since)}${note}: ${alarm.text}`;
  });
  return lines.length === 0 ? "no alarm is open" : `open alarms:\n${lines.join("\n")}`;
}
