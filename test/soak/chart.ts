/** Line charts as SVG. Colours of middling lightness and no background, so that they can be read on white and on black. */

export interface Line {
  name: string;
  /** x in minutes, y in the chart's unit; in the order of x. */
  points: [number, number][];
  /** Single readings that say nothing of what lies between them. */
  dots: boolean;
}

export interface Chart {
  title: string;
  /** Of the y axis. */
  unit: string;
  lines: Line[];
}

const width = 760;
const height = 260;
const frame = { left: 64, right: 16, top: 46, bottom: 42 };
const ink = "#7d7d7d";
const colours = ["#2b8be0", "#d9730d", "#2f9e5b", "#b05cc6"];

export function drawChart({ title, unit, lines }: Chart): string {
  const xMax = greatest(lines, 0);
  const xs = ticks(xMax).filter((x) => x <= xMax);
  const ys = ticks(greatest(lines, 1));
  const yMax = ys.at(-1)!;
  const inner = {
    width: width - frame.left - frame.right,
    height: height - frame.top - frame.bottom,
  };
  const px = (x: number) => round(frame.left + (inner.width * x) / xMax);
  const py = (y: number) => round(frame.top + inner.height * (1 - y / yMax));
  const bottom = frame.top + inner.height;
  const grid = ys.map(
    (y) =>
      `<path d="M${frame.left} ${py(y)}H${width - frame.right}" stroke="${ink}" stroke-opacity="0.3"/>` +
      `<text x="${frame.left - 8}" y="${py(y) + 4}" text-anchor="end">${label(y)}</text>`,
  );
  const feet = xs.map(
    (x) =>
      `<path d="M${px(x)} ${bottom}v4" stroke="${ink}"/>` +
      `<text x="${px(x)}" y="${bottom + 17}" text-anchor="middle">${label(x)}</text>`,
  );
  const paths = lines.map(({ points, dots }, i) => {
    if (dots) {
      const each = points.map(([x, y]) => `M${px(x)} ${py(y)}h0`).join("");
      return `<path d="${each}" stroke="${colours[i]}" stroke-width="3.2" stroke-linecap="round"/>`;
    }
    const path = points.map(([x, y]) => `${px(x)} ${py(y)}`).join("L");
    return `<path d="M${path}" fill="none" stroke="${colours[i]}" stroke-width="1.3" stroke-linejoin="round"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="${ink}">`,
    `<title>${escape(title)}</title>`,
    `<text x="${frame.left}" y="18" font-size="14">${escape(title)}</text>`,
    ...legend(lines),
    ...grid,
    ...feet,
    `<text x="${frame.left - 8}" y="${frame.top - 12}" text-anchor="end">${escape(unit)}</text>`,
    `<text x="${frame.left + inner.width / 2}" y="${height - 8}" text-anchor="middle">minutes</text>`,
    ...paths,
    "</svg>\n",
  ].join("\n");
}

/** Of all points, along one axis; above 0. */
function greatest(lines: Line[], axis: 0 | 1): number {
  let max = 1e-9;
  for (const { points } of lines) for (const point of points) max = Math.max(max, point[axis]);
  return max;
}

function legend(lines: Line[]): string[] {
  let x = frame.left;
  return lines.map(({ name, dots }, i) => {
    const sign = dots
      ? `M${x + 8} ${frame.top - 16}h0" stroke-width="5" stroke-linecap="round"`
      : `M${x} ${frame.top - 16}h16" stroke-width="2.5"`;
    const entry =
      `<path d="${sign} stroke="${colours[i]}"/>` +
      `<text x="${x + 21}" y="${frame.top - 12}">${escape(name)}</text>`;
    x += 40 + 6.4 * name.length;
    return entry;
  });
}

/** From 0 to at least `max`, in steps of 1, 2 or 5 times a power of ten; 4 to 8 of them. */
function ticks(max: number): number[] {
  const rough = max / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.ceil(max / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

function label(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 6 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
