/** The signs of events: each kind has a shape of its own. */
import type { Event } from "./timeline-data.js";
import type { Inks } from "./timeline-inks.js";

export const kindNames: Record<Event["kind"], string> = {
  pin: "pin",
  mark: "mark",
  drill: "drill",
  schema: "schema change",
  drop: "drop",
  recovery: "undo or rewind",
};

type Ink = CanvasRenderingContext2D;

const shapes: Record<Event["kind"], (ink: Ink) => void> = {
  pin: (ink) => {
    ink.arc(0, -2, 4, 0, 2 * Math.PI);
    ink.moveTo(0, 2);
    ink.lineTo(0, 8);
  },
  mark: (ink) => polygon(ink, [-3, 8, -3, -6, 6, -2.5, -3, 1]),
  drill: (ink) => ink.rect(-4, -4, 8, 8),
  schema: (ink) => polygon(ink, [0, -6, 6, 0, 0, 6, -6, 0]),
  drop: (ink) => {
    ink.moveTo(-4, -4);
    ink.lineTo(4, 4);
    ink.moveTo(4, -4);
    ink.lineTo(-4, 4);
  },
  recovery: (ink) => {
    ink.arc(0, 0, 4.5, -0.25 * Math.PI, 1.4 * Math.PI);
    ink.moveTo(-4.5, -6);
    ink.lineTo(-1, -5);
    ink.lineTo(-3, -1.5);
  },
};

const isFilled = (kind: Event["kind"]) => kind === "pin" || kind === "mark" || kind === "drill";

/** Draws the sign of an event about a place, some 14 pixels wide and high. */
export function glyph(ink: Ink, kind: Event["kind"], x: number, y: number, inks: Inks): void {
  ink.save();
  ink.translate(x, y);
  ink.beginPath();
  shapes[kind](ink);
  ink.lineWidth = kind === "drop" ? 2.5 : 1.5;
  ink.strokeStyle = kind === "drop" ? inks.bad : inks.text;
  ink.fillStyle = inks.main;
  if (isFilled(kind)) ink.fill();
  ink.stroke();
  ink.restore();
}

function polygon(ink: Ink, places: readonly number[]): void {
  ink.moveTo(places[0]!, places[1]!);
  for (let i = 2; i < places.length; i += 2) ink.lineTo(places[i]!, places[i + 1]!);
  ink.closePath();
}
