/** Asks for what the timeline shows: all of it in coarse steps, and what is seen in finer ones; lets both grow. */
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Timeline, TimelineEvents } from "../app/answers.js";
import { type Asked, useAsked } from "../app/ask.js";
import { looks } from "../app/live.js";
import { pathOf } from "../app/router.js";
import { useShared } from "../app/store.js";
import { isoText } from "../app/time.js";
import type { Seen } from "./timeline-board.js";
import { type Event, eventsOf, grownTo, type Picture, pictureOf } from "./timeline-data.js";
import { spanOf, type View } from "./timeline-scale.js";

/** At least so long lies between two times that all is asked for: late spans may come every second. */
const againMs = 15_000;
/** The server reads events anew about so often. */
const eventsEveryMs = 60_000;
/** Into so many parts all of the time is divided: about as many as a wide screen has pixels. */
const cellsOfAll = 2400;
/** Of a detail a third is seen at first. */
const cellsOfDetail = 7200;
/** A detail is asked for once nobody has moved for so long. */
const restMs = 150;

export interface TimelineShown {
  asked: Asked<Timeline>;
  askedEvents: Asked<TimelineEvents>;
  picture: Picture | undefined;
  /** What is seen now, or was a moment ago, more exactly. */
  detail: { view: View; picture: Picture } | undefined;
  events: readonly Event[];
  /** Asks for what is seen more exactly, if that is to be had. */
  refine: (seen: Seen) => void;
}

const none: readonly Event[] = [];

export function useTimeline(): TimelineShown {
  const look = useShared(looks);
  const asked = useAsked<Timeline>(pathOf("/v1/timeline", { cells: `${cellsOfAll}` }));
  const askedEvents = useAsked<TimelineEvents>("/v1/timeline/events", { everyMs: eventsEveryMs });
  const whole = useMemo(() => asked.data && pictureOf(asked.data), [asked.data]);
  const { refine, detail: part, again: againDetail } = useDetail(whole);
  const again = useCallback(() => {
    asked.again();
    againDetail();
  }, [asked.again, againDetail]);
  useAgain(look?.digests?.tables, again);
  const text = look?.status?.restorableUntil;
  const until = text ? Date.parse(text) : 0;
  const now = look ? Date.parse(look.now) : 0;
  const picture = useMemo(() => whole && grown(whole, until, now), [whole, until, now]);
  const detail = useMemo(() => {
    const isAtEnd = part !== undefined && part.view.to >= part.picture.now;
    return part && isAtEnd ? { ...part, picture: grown(part.picture, until, now) } : part;
  }, [part, until, now]);
  const events = useMemo(
    () => (askedEvents.data ? eventsOf(askedEvents.data) : none),
    [askedEvents.data],
  );
  return { asked, askedEvents, picture, detail, events, refine };
}

function grown({ rows, from, now, stepMs }: Picture, until: number, newNow: number): Picture {
  const all = rows.map((row) => ({ ...row, spans: grownTo(row.spans, row.state, until) }));
  return { rows: all, from, now: Math.max(now, newNow), stepMs };
}

/** What is seen in finer steps than the whole has, if somebody is so close. */
function useDetail(whole: Picture | undefined) {
  const [wanted, want] = useState<View>();
  const path =
    wanted &&
    pathOf("/v1/timeline", {
      from: isoText(wanted.from),
      to: isoText(wanted.to),
      cells: `${cellsOfDetail}`,
    });
  const asked = useAsked<Timeline>(path);
  const kept = useRef<TimelineShown["detail"]>(undefined);
  const detail = useMemo(() => {
    // Until the next one is there, the one before may still do.
    if (asked.data && wanted) kept.current = { view: wanted, picture: pictureOf(asked.data) };
    return kept.current;
  }, [asked.data]);
  const timer = useRef(0);
  const coarse = useRef(whole);
  coarse.current = whole;
  const refine = useCallback((seen: Seen) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      const msOfPixel = spanOf(seen) / seen.pixels;
      if (!coarse.current || coarse.current.stepMs <= msOfPixel) return;
      want((before) => (before && isFineFor(before, seen) ? before : around(seen)));
    }, restMs) as never;
  }, []);
  useEffect(() => () => clearTimeout(timer.current), []);
  return { refine, detail, again: asked.again };
}

/** A view on whole milliseconds, three times as long as what is seen. */
function around(seen: View): View {
  const span = spanOf(seen);
  const from = Math.max(0, Math.floor(seen.from - span));
  return { from, to: Math.ceil(seen.to + span) };
}

/** What is seen lies in it, and its steps are smaller than pixels. */
function isFineFor(view: View, seen: Seen): boolean {
  const isIn = view.from <= seen.from && seen.to <= view.to;
  const stepMs = spanOf(view) / cellsOfDetail;
  return isIn && (stepMs <= 1 || stepMs <= spanOf(seen) / seen.pixels);
}

/** Asks again when the digest is another one, but not all the time. */
function useAgain(digest: string | undefined, again: () => void): void {
  const last = useRef({ digest, atMs: performance.now() });
  useEffect(() => {
    const known = last.current;
    if (digest === undefined || digest === known.digest) return undefined;
    // What is asked for when the page is shown is newer than the first look.
    if (known.digest === undefined) {
      known.digest = digest;
      return undefined;
    }
    const dueMs = Math.max(0, known.atMs + againMs - performance.now());
    const timer = setTimeout(() => {
      last.current = { digest, atMs: performance.now() };
      again();
    }, dueMs);
    return () => clearTimeout(timer);
  }, [digest, again]);
}
