/** Draws changes over time with uPlot. It is loaded when a page shows it, and not with the console. */
import "uplot/dist/uPlot.min.css";
import uPlot from "uplot";
import { colour } from "../app/colours.js";
import type { Bar, Noted } from "./activity.js";

export interface Drawn {
  bars: readonly Bar[];
  points: readonly Noted[];
  /** Ms since 1970. */
  from: number;
  to: number;
}

export interface Plot {
  /** Draws the bar that is looked at; undefined for none. */
  look(bar: number | undefined): void;
  resize(width: number): void;
  end(): void;
}

const height = 220;
/** Each needs its own bars, because a series has one colour. */
const kinds = ["plain", "spread", "burst"] as const;

/** @param told of what somebody does with the pointer: the stretch that was drawn over, the bar that is looked at */
export function drawActivity(
  into: HTMLElement,
  { bars, points, from, to }: Drawn,
  told: { zoom: (from: number, to: number) => void; look: (bar: number | undefined) => void },
): Plot {
  let looked: number | undefined;
  const width = Math.max(200, into.clientWidth);
  const seconds = bars.map(({ begin, end }) => (begin + end) / 2 / 1000);
  const heights = kinds.map((kind) => bars.map((bar) => (bar.kind === kind ? bar.changes : null)));
  const colours = { plain: colour("exact"), spread: colour("thinned"), burst: colour("gap") };
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 } };
  const chart: uPlot = new uPlot(
    {
      width,
      height,
      // Axes are in UTC, as everything that is told first.
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: () => [from / 1000, to / 1000] },
        y: { range: (_, __, most) => [0, Math.max(1, most ?? 1) * 1.15] },
      },
      axes: [
        { ...axis, values: (_, splits, __, ___, step) => splits.map((at) => tick(at, step)) },
        { ...axis, size: 60, incrs: steps, values: (_, splits) => splits.map(whole) },
      ],
      series: [
        {},
        ...kinds.map((kind) => ({
          label: kind,
          fill: colours[kind],
          width: 0,
          paths: uPlot.paths.bars!({ size: [0.85, 60, 2], gap: 1 }),
          points: { show: false },
        })),
      ],
      hooks: {
        setSelect: [
          (self) => {
            const { left, width: drawn } = self.select;
            if (drawn < 4) return;
            const ends = [left, left + drawn];
            const [begin, end] = ends.map((at) => Math.round(self.posToVal(at, "x") * 1000));
            told.zoom(begin!, end!);
          },
        ],
        setCursor: [
          ({ cursor }) => {
            if (cursor.left === undefined || cursor.left < 0) return;
            told.look(cursor.idx ?? undefined);
          },
        ],
        draw: [drawPoints],
      },
    },
    [seconds, ...heights] as uPlot.AlignedData,
    into,
  );
  // What is drawn is told beneath, and in a table.
  chart.root.setAttribute("aria-hidden", "true");

  function drawPoints(self: uPlot): void {
    const { ctx, bbox } = self;
    ctx.save();
    const unit = devicePixelRatio;
    for (const { at, tone } of points) {
      const x = self.valToPos(at / 1000, "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.fillStyle = colour(tone);
      ctx.globalAlpha = 0.55;
      ctx.fillRect(x - unit / 2, bbox.top, unit, bbox.height);
      ctx.globalAlpha = 1;
      ctx.beginPath();
      ctx.moveTo(x - 5 * unit, bbox.top);
      ctx.lineTo(x + 5 * unit, bbox.top);
      ctx.lineTo(x, bbox.top + 8 * unit);
      ctx.fill();
    }
    const bar = looked === undefined ? undefined : bars[looked];
    if (bar) {
      const [left, right] = [bar.begin, bar.end].map((at) => self.valToPos(at / 1000, "x", true));
      ctx.strokeStyle = colour("focus");
      ctx.lineWidth = 2 * unit;
      ctx.strokeRect(left!, bbox.top, Math.max(3 * unit, right! - left!), bbox.height);
    }
    ctx.restore();
  }

  return {
    look: (bar) => {
      if (bar === looked) return;
      looked = bar;
      chart.redraw(false);
    },
    resize: (to_) => chart.setSize({ width: Math.max(200, to_), height }),
    end: () => chart.destroy(),
  };
}

/** Of whole changes. */
const steps = Array.from({ length: 10 }, (_, power) =>
  [1, 2, 5].map((one) => one * 10 ** power),
).flat();

const whole = (value: number) => (Number.isInteger(value) ? value.toLocaleString("en-US") : "");

/** A time of the axis, as short as its distance from the next allows. */
function tick(at: number, step: number): string {
  const text = new Date(at * 1000).toISOString();
  if (step >= 86_400) return text.slice(5, 10);
  const isMidnight = at % 86_400 === 0;
  if (step >= 60) return isMidnight ? text.slice(5, 10) : text.slice(11, 16);
  return step >= 1 ? text.slice(11, 19) : text.slice(17, 23);
}
