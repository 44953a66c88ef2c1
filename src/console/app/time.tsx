/** Times for people: UTC and the reader's own time together, and how long ago that was. */
import { useEffect, useState } from "preact/hooks";
import { looks } from "./live.js";
import { Shared, useShared } from "./store.js";

/** How far the server's clock is ahead of this browser's, in ms. */
let aheadMs = 0;
looks.onChange(() => {
  const { value } = looks;
  if (value) aheadMs = Date.parse(value.now) - Date.now();
});

/** Now, by the clock of the server. */
export const now = (): number => Date.now() + aheadMs;

const ticking = new Shared(0);
setInterval(() => {
  if (document.visibilityState === "visible") ticking.set(ticking.value + 1);
}, 1000);

/** Shows the part anew every second. */
export function useNow(): number {
  useShared(ticking);
  return now();
}

/** 2026-11-28 10:04:00.123+00:00, the milliseconds only if there are some. */
export function utcText(at: string | number): string {
  const text = new Date(at).toISOString();
  const short = text.endsWith(".000Z") ? text.slice(0, 19) : text.slice(0, -1);
  return `${short.replace("T", " ")}+00:00`;
}

/** As the command line takes it. */
export const isoText = (at: number): string => `${new Date(at).toISOString().slice(0, -1)}+00:00`;

/** The same instant where the reader is: 11:04:00 CET, with the day if it is another one than in UTC. */
export function localText(at: string | number): string {
  const date = new Date(at);
  const options: Intl.DateTimeFormatOptions = {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "short",
  };
  const isOtherDay = date.getDate() !== date.getUTCDate();
  const day: Intl.DateTimeFormatOptions = isOtherDay ? { month: "short", day: "numeric" } : {};
  return new Intl.DateTimeFormat("en-GB", { ...options, ...day }).format(date);
}

const spans: [number, string][] = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
];

/** 3 d 4 h, 5 min 10 s, 0.4 s. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const first = spans.findIndex(([size]) => ms >= size);
  const [size, unit] = spans[first]!;
  const next = spans[first + 1];
  const whole = Math.floor(ms / size);
  const rest = next ? Math.floor((ms % size) / next[0]) : 0;
  if (!next || rest === 0 || whole >= 10) return `${whole} ${unit}`;
  return `${whole} ${unit} ${rest} ${next[1]}`;
}

export const ageText = (at: string | number, from: number): string => {
  const ms = from - new Date(at).getTime();
  return ms < 0 ? `in ${durationText(-ms)}` : `${durationText(ms)} ago`;
};

/** An instant: how long ago, and both times. @param props.short only the age, the rest as a hint */
export function Moment({ at, short = false }: { at: string | number | null; short?: boolean }) {
  const current = useNow();
  if (at === null) return <span class="unknown">unknown</span>;
  const both = `${utcText(at)} · ${localText(at)}`;
  const machine = typeof at === "number" ? isoText(at) : at;
  if (short) {
    return (
      <time dateTime={machine} title={both}>
        {ageText(at, current)}
      </time>
    );
  }
  return (
    <time dateTime={machine} class="moment">
      <span class="utc">{utcText(at)}</span> <span class="local">{localText(at)}</span>{" "}
      <span class="age">{ageText(at, current)}</span>
    </time>
  );
}

/** A value that changes at most every so many ms, so that typing asks once. */
export function useSettled<T>(value: T, ms = 300): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
