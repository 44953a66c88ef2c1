/** Draws the timeline: for each row its classes, by colour and by pattern, so that a colour is never the only sign. */
import { localText } from "../app/time.js";
import { type Event, placeAt, type Row, type Span } from "./timeline-data.js";
import { glyph } from "./timeline-glyphs.js";
import type { Inks } from "./timeline-inks.js";
import { type Marks, marksIn, markText, spanOf, type View } from "./timeline-scale.js";

export type Line = { row: Row } | { group: string };

/** Heights in CSS pixels. */
export const axisHeight = 38;
export const eventsHeight = 22;
export const lineHeight = 22;
/** What stays above the rows that scroll: the axis, the events and the worst of all. */
export const headHeight = axisHeight + eventsHeight + lineHeight + 4;

export interface Scene {
  width: number;
  height: number;
  /** How wide the names are. */
  names: number;
  view: View;
  /** The server's now: after it there is nothing. */
  now: number;
  cluster: Row | undefined;
  lines: readonly Line[];
  /** The spans of a row, as exactly as what is seen of them wants. */
  spansOf: (row: Row) => readonly Span[];
  scrollTop: number;
  events: readonly Event[];
  /** What the pointer or the keys are at; `line` -1 is the worst of all. */
  cursor: { line: number; at: number } | undefined;
  chosen: number | undefined;
}

export const xOf = ({ names, width, view }: Scene, at: number): number =>
  names + ((at - view.from) / spanOf(view)) * (width - names);

export function draw(ink: CanvasRenderingContext2D, scene: Scene, inks: Inks): void {
  const { width, height, names, lines, scrollTop, cursor, chosen } = scene;
  ink.fillStyle = inks.raised;
  ink.fillRect(0, 0, width, height);
  ink.font = inks.font;
  ink.textBaseline = "middle";
  const marks = marksIn(scene.view, Math.max(2, Math.floor((width - names) / 92)));
  drawGrid(ink, scene, marks, inks);
  const first = Math.floor(scrollTop / lineHeight);
  const last = Math.min(
    lines.length - 1,
    Math.ceil((scrollTop + height - headHeight) / lineHeight),
  );
  ink.save();
  ink.beginPath();
  ink.rect(0, headHeight, width, height - headHeight);
  ink.clip();
  for (let i = first; i <= last; i += 1) {
    const line = lines[i]!;
    const top = headHeight + i * lineHeight - scrollTop;
    if ("group" in line) drawName(ink, line.group, 8, top, names - 12, inks.soft, inks);
    else drawRow(ink, scene, line.row, { top, isAt: cursor?.line === i, isWhole: false }, inks);
  }
  ink.restore();
  if (scene.cluster) {
    const top = axisHeight + eventsHeight;
    drawRow(ink, scene, scene.cluster, { top, isAt: cursor?.line === -1, isWhole: true }, inks);
  }
  drawEvents(ink, scene, inks);
  drawAxis(ink, scene, marks, inks);
  ink.fillStyle = inks.line;
  ink.fillRect(0, headHeight - 1, width, 1);
  if (chosen !== undefined) drawInstant(ink, scene, chosen, 2, inks.main);
  if (cursor) drawInstant(ink, scene, cursor.at, 1, inks.text);
}

function drawGrid(ink: CanvasRenderingContext2D, scene: Scene, { at }: Marks, inks: Inks): void {
  ink.fillStyle = inks.line;
  for (const one of at) ink.fillRect(Math.round(xOf(scene, one)), axisHeight - 6, 1, scene.height);
}

function drawAxis(ink: CanvasRenderingContext2D, scene: Scene, marks: Marks, inks: Inks): void {
  const { width, names } = scene;
  ink.fillStyle = inks.soft;
  ink.textAlign = "left";
  ink.fillText("UTC", 8, 10);
  const zone = localText(scene.view.to).split(" ").at(-1)!;
  ink.fillText(zone, 8, 26);
  ink.textAlign = "center";
  for (const at of marks.at) {
    const x = xOf(scene, at);
    const half = 40;
    if (x < names + 8 || x > width - 8) continue;
    const middle = Math.min(width - half, Math.max(names + half, x));
    ink.fillStyle = inks.text;
    ink.fillText(markText(at, marks.by), middle, 10);
    ink.fillStyle = inks.soft;
    ink.fillText(localMark(at, marks.by), middle, 26);
  }
  ink.textAlign = "left";
}

const localTimes: Record<Marks["by"], Intl.DateTimeFormat> = {
  year: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }),
  month: new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" }),
  day: new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }),
  minute: new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }),
  second: new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }),
};

const localMark = (at: number, by: Marks["by"]) => localTimes[by].format(at).replace(",", "");

function drawName(
  ink: CanvasRenderingContext2D,
  text: string,
  left: number,
  top: number,
  room: number,
  fill: string,
  inks: Inks,
): void {
  ink.fillStyle = fill;
  ink.fillText(inks.fitted(ink, text, room), left, top + lineHeight / 2 + 0.5);
}

function drawRow(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  row: Row,
  { top, isAt, isWhole }: { top: number; isAt: boolean; isWhole: boolean },
  inks: Inks,
): void {
  const { names, width } = scene;
  if (isAt) {
    ink.fillStyle = inks.sunken;
    ink.fillRect(0, top, width, lineHeight);
  }
  const name = row.kind === "table" ? row.name.slice(row.database.length + 1) : row.name;
  const left = row.kind === "table" ? 18 : 8;
  const fill = row.state === "dropped" ? inks.soft : inks.text;
  drawName(ink, name, left, top, names - left - 6, fill, inks);
  ink.save();
  ink.beginPath();
  ink.rect(names, top, width - names, lineHeight);
  ink.clip();
  const box = isWhole
    ? { top: top + 2, height: lineHeight - 4 }
    : { top: top + 5, height: lineHeight - 10 };
  drawUnproven(ink, scene, row, box, inks);
  drawSpans(ink, scene, scene.spansOf(row), box, inks);
  ink.restore();
}

interface Box {
  top: number;
  height: number;
}

/** What is captured and not proven yet: an outline alone. */
function drawUnproven(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  { state, spans }: Row,
  { top, height }: Box,
  inks: Inks,
): void {
  if (state !== "live" && state !== "copying" && state !== "resyncing") return;
  const from = spans.at(-1)?.to;
  if (from === undefined) return;
  const [left, right] = [xOf(scene, from), xOf(scene, scene.now)];
  if (right - left < 2) return;
  ink.strokeStyle = inks.soft;
  ink.lineWidth = 1;
  ink.strokeRect(left + 0.5, top + 0.5, right - left - 1, height - 1);
}

/** What is filled at once: spans that are alike, and what is too narrow to be seen between them. */
interface Run {
  left: number;
  right: number;
  /** The first of them, and the last instant of all. */
  span: Span;
  to: number;
}

/** Whole spans are as wide as they are; of what is narrower than a pixel the worst is seen. */
function drawSpans(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  spans: readonly Span[],
  box: Box,
  inks: Inks,
): void {
  const narrow: { left: number; span: Span }[] = [];
  let run: Run | undefined;
  for (let i = placeAt(spans, scene.view.from); i < spans.length; i += 1) {
    const span = spans[i]!;
    if (span.from > scene.view.to) break;
    const [left, right] = [xOf(scene, span.from), xOf(scene, span.to + 1)];
    const isNarrow = right - left < 1;
    const isWell = span.class === "exact";
    if (!isWell && right - left < 2) {
      const last = narrow.at(-1);
      const isHidden = last?.span.class === span.class && left - last.left < 1;
      if (!isHidden) narrow.push({ left, span });
    }
    const touches = run && left - run.right < 1;
    if (run && touches && (isNarrow || isAlike(run.span, span)))
      Object.assign(run, { right, to: span.to });
    else {
      if (run) fillSpan(ink, scene, run, box, inks);
      run = { left, right, span, to: span.to };
    }
  }
  if (run) fillSpan(ink, scene, run, box, inks);
  for (const { left, span } of narrow)
    fillSpan(ink, scene, { left, right: left + 2, span, to: span.to }, box, inks);
}

const isAlike = (a: Span, b: Span) => a.class === b.class && a.resolutionMs === b.resolutionMs;

function fillSpan(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  run: Run,
  { top, height }: Box,
  inks: Inks,
): void {
  const left = Math.max(scene.names, run.left);
  const wide = Math.min(scene.width, run.right) - left;
  if (wide <= 0) return;
  const { span } = run;
  if (span.class === "unwatched") {
    ink.fillStyle = inks.unwatched;
    ink.fillRect(left, top + height / 2 - 2, wide, 4);
    return;
  }
  const isThinned = span.resolutionMs > 0 && span.class === "exact";
  ink.fillStyle = isThinned ? inks.thinned : inks.of(span.class, wide >= 4);
  ink.fillRect(left, top, wide, height);
  if (isThinned) drawTicks(ink, scene, { left, wide, run }, { top, height }, inks);
}

/** A tick at each instant that thinning has left, or as close together as can be seen. */
function drawTicks(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  { left, wide, run: { span, to } }: { left: number; wide: number; run: Run },
  { top, height }: Box,
  inks: Inks,
): void {
  const { view, names, width } = scene;
  const everyPx = (span.resolutionMs / spanOf(view)) * (width - names);
  ink.fillStyle = inks.exact;
  if (everyPx < 6) {
    const first = Math.ceil(left / 6) * 6;
    for (let x = first; x < left + wide; x += 6) ink.fillRect(x, top + height - 4, 1, 4);
    return;
  }
  const from = Math.max(span.from, view.from);
  const grid = Math.floor((from + 1) / span.resolutionMs) * span.resolutionMs - 1;
  for (let at = grid; at <= to && at <= view.to; at += span.resolutionMs) {
    if (at >= from) ink.fillRect(Math.round(xOf(scene, at)), top, 2, height);
  }
}

/** Events nearer than this stand as one, with their count. */
export const eventWidth = 14;

/** The events in groups that stand in one place, from left to right. */
export function eventGroups(scene: Scene): { x: number; events: Event[] }[] {
  const groups: { x: number; events: Event[] }[] = [];
  for (const event of scene.events) {
    if (event.at < scene.view.from || event.at > scene.view.to) continue;
    const x = xOf(scene, event.at);
    const last = groups.at(-1);
    if (last && x - last.x < eventWidth) last.events.push(event);
    else groups.push({ x, events: [event] });
  }
  return groups;
}

function drawEvents(ink: CanvasRenderingContext2D, scene: Scene, inks: Inks): void {
  const middle = axisHeight + eventsHeight / 2;
  ink.fillStyle = inks.soft;
  ink.textAlign = "left";
  ink.fillText("events", 8, middle);
  for (const { x, events } of eventGroups(scene)) {
    const kinds = new Set(events.map(({ kind }) => kind));
    if (kinds.size === 1) glyph(ink, events[0]!.kind, x, middle, inks);
    if (events.length === 1) continue;
    ink.fillStyle = inks.text;
    ink.textAlign = "center";
    const isMixed = kinds.size > 1;
    if (isMixed) ink.fillText(`${events.length}`, x, middle);
    else ink.fillText(`${events.length}`, x + 9, middle - 5);
    ink.textAlign = "left";
  }
}

function drawInstant(
  ink: CanvasRenderingContext2D,
  scene: Scene,
  at: number,
  wide: number,
  fill: string,
): void {
  const x = Math.round(xOf(scene, at));
  if (x < scene.names || x > scene.width) return;
  ink.fillStyle = fill;
  ink.fillRect(x - wide / 2, axisHeight, wide, scene.height - axisHeight);
}
