/** What the colours, patterns and signs of the timeline mean: drawn as they are there. */
import { useEffect, useRef } from "preact/hooks";
import { onColours } from "../app/colours.js";
import type { Event, Row, Span } from "./timeline-data.js";
import { axisHeight, draw, eventsHeight, headHeight } from "./timeline-draw.js";
import { glyph, kindNames } from "./timeline-glyphs.js";
import { Inks } from "./timeline-inks.js";

const size = 22;

const span = (name: string, resolutionMs = 0): Span => {
  return { from: 0, to: 100, class: name, reason: undefined, lateMs: 0, resolutionMs, kept: [] };
};

const classes: [string, readonly Span[]][] = [
  ["exact", [span("exact")]],
  ["thinned", [span("exact", 1)]],
  ["late", [span("late")]],
  ["gap", [span("gap")]],
  ["unwatched", [span("unwatched")]],
  ["damaged", [span("damaged")]],
  ["not proven yet", [{ ...span("exact"), to: 0 }]],
];

export function Legend() {
  return (
    <ul class="timeline-legend" aria-label="Legend">
      {classes.map(([name, spans]) => (
        <li key={name}>
          <Sample paint={(ink, inks) => paintSpans(ink, inks, spans)} /> {name}
        </li>
      ))}
      {Object.entries(kindNames).map(([kind, name]) => (
        <li key={kind}>
          <Sample
            paint={(ink, inks) => glyph(ink, kind as Event["kind"], size / 2, size / 2, inks)}
          />{" "}
          {name}
        </li>
      ))}
    </ul>
  );
}

/** As a row of a timeline that has nothing else. */
function paintSpans(ink: CanvasRenderingContext2D, inks: Inks, spans: readonly Span[]): void {
  const cluster: Row = {
    id: "",
    name: "",
    database: "",
    state: "live",
    kind: "cluster",
    spans,
  };
  ink.translate(0, -(axisHeight + eventsHeight));
  draw(
    ink,
    {
      width: size,
      height: headHeight,
      names: 0,
      view: { from: 0, to: 100 },
      now: 100,
      cluster,
      lines: [],
      spansOf: (row) => row.spans,
      scrollTop: 0,
      events: [],
      cursor: undefined,
      chosen: undefined,
    },
    inks,
  );
}

function Sample({ paint }: { paint: (ink: CanvasRenderingContext2D, inks: Inks) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const show = () => {
      const ratio = devicePixelRatio;
      const { current } = canvas;
      if (!current) return;
      current.width = current.height = Math.round(size * ratio);
      const ink = current.getContext("2d")!;
      ink.scale(ratio, ratio);
      paint(ink, new Inks(ratio));
    };
    show();
    return onColours(() => requestAnimationFrame(show));
  }, []);
  return <canvas ref={canvas} class="timeline-sample" aria-hidden="true" />;
}
