/** How long drills took, and what they found, over time. The rows below it say the same. */
import { utcText } from "../app/time.js";
import { countText } from "../parts/bits.js";
import {
  type Drill,
  type Outcome,
  outcomeOf,
  type TrendPoint,
  toneOf,
  trendPoints,
} from "../parts/operations-drills.js";

const size = { width: 720, height: 170, left: 48, right: 16, top: 14, bottom: 28 };
const outcomes: Outcome[] = ["passed", "differs", "could not run"];

export function Trend({ drills }: { drills: readonly Drill[] }) {
  const { width, height, left, right, top, bottom } = size;
  const [inner, tall] = [width - left - right, height - top - bottom];
  const { points, first, last, most } = trendPoints(drills, inner, tall);
  const day = (at: number) => utcText(at).slice(0, 10);
  const counts = outcomes.map((of) => {
    return { of, count: drills.filter((drill) => outcomeOf(drill) === of).length };
  });
  const said = counts.map(({ of, count }) => `${countText(count)} ${of}`).join(", ");
  return (
    <figure class="operations-figure">
      <svg
        class="operations-trend"
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`Seconds of the last ${drills.length} drills: ${said}; the longest took ${most.toFixed(1)} s`}
      >
        <line class="axis" x1={left} y1={top} x2={left} y2={top + tall} />
        <line class="axis" x1={left} y1={top + tall} x2={left + inner} y2={top + tall} />
        <text x={left - 6} y={top + 4} text-anchor="end">
          {most.toFixed(1)} s
        </text>
        <text x={left - 6} y={top + tall + 4} text-anchor="end">
          0 s
        </text>
        <text x={left} y={height - 8}>
          {day(first)}
        </text>
        {day(first) !== day(last) && (
          <text x={left + inner} y={height - 8} text-anchor="end">
            {day(last)}
          </text>
        )}
        {points.map((point, i) => (
          <g key={i} transform={`translate(${left + point.x} ${top + point.y})`}>
            <Sign {...point} />
          </g>
        ))}
      </svg>
      <figcaption class="operations-legend">
        {counts.map(({ of, count }) => (
          <span key={of}>
            <svg
              width="14"
              height="14"
              viewBox="-7 -7 14 14"
              class="operations-sign"
              aria-hidden="true"
            >
              <Shape outcome={of} />
            </svg>{" "}
            {countText(count)} {of}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

const Sign = ({ outcome, drill }: TrendPoint) => (
  <>
    <title>
      {utcText(drill.ended)}: {outcome}, {drill.seconds.toFixed(1)} s
    </title>
    <Shape outcome={outcome} />
  </>
);

/** A form for each outcome, so that nobody needs the colours. */
function Shape({ outcome }: { outcome: Outcome }) {
  const kind = `operations-sign-${toneOf[outcome]}`;
  if (outcome === "passed") return <circle r="4.5" class={kind} />;
  if (outcome === "differs") return <path d="M-5 -5 5 5M5 -5-5 5" class={kind} />;
  return <path d="M0 -5.5 5.5 4.5-5.5 4.5Z" class={kind} />;
}
