/** Changes of a table over time: bars in which bursts stand out, for the pointer, for keys, and as a table. */
import "./activity.css";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Points } from "../app/answers.js";
import { onColours } from "../app/colours.js";
import { durationText, localText, utcText } from "../app/time.js";
import type { Plot } from "./activity-plot.js";
import { counted, countText, Rows } from "./bits.js";

/** A span of time. Bounds are ms since 1970; the next one begins where it ends. */
export interface Bar {
  begin: number;
  end: number;
  changes: number;
  /** "spread": only the sum over a longer stretch is known. "burst": a burst lies in it. */
  kind: "plain" | "spread" | "burst";
}

/** A point as it is marked on the chart, with the role of its colour. */
export interface Noted {
  at: number;
  tone: string;
}

const isBurst = (kind: string) => kind === "deletes" || kind === "overwrites";

/** Of a point, the role of the colour that marks it. */
export function toneOf(kind: string): string {
  if (isBurst(kind) || kind === "drop" || kind === "dropdb") return "gap";
  return kind === "mark" || kind === "pin" ? "main" : "unknown";
}

/** The bars of an answer. */
export function barsOf({ from, to, points, activity }: Points): Bar[] {
  const [begin, end] = [Date.parse(from), Date.parse(to) + 1];
  const { spanMs, changes } = activity;
  const bursts = points.flatMap(({ at, until }) =>
    until === null ? [] : [[Date.parse(at), Date.parse(until)] as const],
  );
  const spread = activity.spread.map((one) => [Date.parse(one.from), Date.parse(one.to)] as const);
  return changes.map((count, i) => {
    const [first, next] = [begin + i * spanMs, Math.min(end, begin + (i + 1) * spanMs)];
    const meets = (one: readonly [number, number]) => one[0] < next && one[1] >= first;
    const hasBurst = count > 0 && bursts.some(meets);
    const isSpread = spread.some(meets);
    const kind = hasBurst ? "burst" : isSpread ? "spread" : "plain";
    return { begin: first, end: next, changes: count, kind };
  });
}

const spanText = ({ begin, end }: Bar) =>
  `${utcText(begin)} to ${utcText(end).slice(11)} · ${localText(begin)}`;

function barText(bar: Bar): string {
  const about = bar.kind === "spread" ? "about " : "";
  const burst = bar.kind === "burst" ? ", part of a burst" : "";
  return `${spanText(bar)}: ${about}${counted(bar.changes, "change")}${burst}`;
}

interface Props {
  shown: Points;
  /** Shows another stretch, in ms since 1970. */
  onZoom: (from: number, to: number) => void;
}

/** A stretch is not made shorter than this, because times are stored in ms, and captured once a second. */
const leastMs = 5000;

export function Activity({ shown, onZoom }: Props) {
  const bars = barsOf(shown);
  const [from, to] = [Date.parse(shown.from), Date.parse(shown.to)];
  const [looked, setLooked] = useState<number>();
  const bar = looked === undefined ? undefined : bars[looked];
  const zoom = (begin: number, end: number) => {
    const ms = Math.max(leastMs, end - begin);
    const middle = (begin + end) / 2;
    setLooked(undefined);
    onZoom(Math.round(middle - ms / 2), Math.round(middle + ms / 2));
  };
  /** @param times 2 shows twice as long a stretch */
  const scale = (times: number) => {
    const half = ((to - from) * times) / 2;
    const middle = bar ? (bar.begin + bar.end) / 2 : (from + to) / 2;
    zoom(middle - half, middle + half);
  };
  const shift = (part: number) => zoom(from + (to - from) * part, to + (to - from) * part);
  const look = (step: number) =>
    setLooked((before) => {
      const next = before === undefined ? (step > 0 ? 0 : bars.length - 1) : before + step;
      return Math.max(0, Math.min(bars.length - 1, next));
    });
  const busiest = () =>
    setLooked(bars.reduce((most, one, i) => (one.changes > bars[most]!.changes ? i : most), 0));
  const keys: Record<string, () => void> = {
    ArrowRight: () => look(1),
    ArrowLeft: () => look(-1),
    Home: () => setLooked(0),
    End: () => setLooked(bars.length - 1),
    b: busiest,
    Enter: () => bar && zoom(bar.begin, bar.end),
    "+": () => scale(1 / 4),
    "-": () => scale(4),
    Escape: () => setLooked(undefined),
  };
  const press = (event: KeyboardEvent) => {
    const does = keys[event.key];
    if (!does || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    does();
  };
  const most = bars.reduce((max, { changes }) => Math.max(max, changes), 0);
  return (
    <div class="activity">
      <div class="activity-buttons">
        <button type="button" onClick={() => shift(-0.5)}>
          Earlier
        </button>
        <button type="button" onClick={() => shift(0.5)}>
          Later
        </button>
        <button type="button" onClick={() => scale(1 / 4)}>
          Closer
        </button>
        <button type="button" onClick={() => scale(4)}>
          Farther
        </button>
        <span class="note">
          {countText(most)} at most in {durationText(shown.activity.spanMs)}
        </span>
      </div>
      <div
        class="activity-chart"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the chart is worked by keys, and the label says which
        tabIndex={0}
        role="group"
        aria-label={`Changes from ${utcText(from)} to ${utcText(to)}. Left and right look at the bars, B at the busiest, Enter goes into it, plus and minus go closer and farther.`}
        onKeyDown={press}
      >
        <Canvas bars={bars} shown={shown} looked={looked} onZoom={zoom} onLook={setLooked} />
      </div>
      <p class="activity-said" role="status">
        {bar ? barText(bar) : "Draw over a stretch to look into it; or look at the bars by keys."}
      </p>
      {bars.some(({ kind }) => kind === "spread") && (
        <p class="note">
          Pale bars: the log is folded there and only its sum is known, so it is spread evenly.
        </p>
      )}
      <details>
        <summary>As a table</summary>
        <BarRows bars={bars} onZoom={zoom} />
      </details>
    </div>
  );
}

function BarRows({
  bars,
  onZoom,
}: {
  bars: readonly Bar[];
  onZoom: (from: number, to: number) => void;
}) {
  const filled = bars.filter(({ changes }) => changes > 0);
  return (
    <Rows
      caption="Changes by spans of time"
      heads={["from", "until", "changes", ""]}
      rows={filled.map((bar) => ({
        key: String(bar.begin),
        ...(bar.kind === "burst" ? { tone: "bad" as const } : {}),
        cells: [
          `${utcText(bar.begin)} · ${localText(bar.begin)}`,
          utcText(bar.end),
          `${bar.kind === "spread" ? "about " : ""}${countText(bar.changes)}${bar.kind === "burst" ? ", part of a burst" : ""}`,
          <button type="button" key="zoom" onClick={() => onZoom(bar.begin, bar.end)}>
            Look into it
          </button>,
        ],
      }))}
    />
  );
}

interface CanvasProps {
  bars: readonly Bar[];
  shown: Points;
  looked: number | undefined;
  onZoom: (from: number, to: number) => void;
  onLook: (bar: number | undefined) => void;
}

function Canvas({ bars, shown, looked, onZoom, onLook }: CanvasProps) {
  const into = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const latest = useRef({ onZoom, onLook });
  latest.current = { onZoom, onLook };
  useEffect(() => {
    let isGone = false;
    const element = into.current!;
    const draw = async () => {
      const { drawActivity } = await import("./activity-plot.js");
      if (isGone) return;
      plot.current?.end();
      const points = shown.points.map(({ at, kind }) => {
        return { at: Date.parse(at), tone: toneOf(kind) };
      });
      const [from, to] = [Date.parse(shown.from), Date.parse(shown.to)];
      plot.current = drawActivity(
        element,
        { bars, points, from, to },
        {
          zoom: (begin, end) => latest.current.onZoom(begin, end),
          look: (bar) => latest.current.onLook(bar),
        },
      );
    };
    void draw();
    const forget = onColours(() => void draw());
    const sizes = new ResizeObserver(() => plot.current?.resize(element.clientWidth));
    sizes.observe(element);
    return () => {
      isGone = true;
      forget();
      sizes.disconnect();
      plot.current?.end();
      plot.current = undefined;
    };
  }, [shown]);
  useEffect(() => plot.current?.look(looked), [looked]);
  return <div class="activity-canvas" ref={into} />;
}
