/** Colours and patterns of a timeline in the theme that is shown. Made anew when the theme changes. */
import { colour } from "../app/colours.js";

type Fill = string | CanvasPattern;

export class Inks {
  readonly raised = colour("raised");
  readonly sunken = colour("sunken");
  readonly line = colour("line");
  readonly text = colour("text");
  readonly soft = colour("soft");
  readonly main = colour("main");
  readonly bad = colour("bad");
  readonly exact = colour("exact");
  readonly thinned = colour("thinned");
  readonly unwatched = colour("unwatched");
  readonly font: string;
  private readonly late = colour("late");
  private readonly gap = colour("gap");
  private readonly damaged = colour("damaged");
  private readonly patterns: Record<string, Fill>;
  private readonly texts = new Map<string, string>();

  constructor(private readonly ratio: number) {
    this.font = `12.5px ${getComputedStyle(document.body).fontFamily}`;
    this.patterns = {
      late: this.pattern(this.late, this.raised, [[0, 4.5, 6, 4.5]]),
      gap: this.pattern(this.raised, this.gap, [
        [-1, 7, 7, -1],
        [-1, 1, 1, -1],
        [5, 7, 7, 5],
      ]),
      damaged: this.pattern(this.damaged, this.raised, [
        [0, 0, 6, 6],
        [0, 6, 6, 0],
      ]),
    };
  }

  /** @param isWide there is room for a pattern */
  of(name: string, isWide: boolean): Fill {
    if (name === "exact") return this.exact;
    const pattern = isWide ? this.patterns[name] : undefined;
    if (pattern) return pattern;
    if (name === "late") return this.late;
    return name === "gap" ? this.gap : this.damaged;
  }

  /** A text as far as there is room for it. */
  fitted(ink: CanvasRenderingContext2D, text: string, room: number): string {
    const key = `${Math.round(room)} ${text}`;
    const known = this.texts.get(key);
    if (known !== undefined) return known;
    let [fits, most] = [0, text.length];
    if (ink.measureText(text).width <= room) fits = text.length;
    else {
      while (fits < most) {
        const middle = (fits + most + 1) >> 1;
        if (ink.measureText(`${text.slice(0, middle)}…`).width <= room) fits = middle;
        else most = middle - 1;
      }
    }
    const found = fits === text.length ? text : `${text.slice(0, fits)}…`;
    this.texts.set(key, found);
    return found;
  }

  private pattern(under: string, over: string, strokes: number[][]): Fill {
    const size = 6;
    const tile = document.createElement("canvas");
    tile.width = tile.height = Math.round(size * this.ratio);
    const ink = tile.getContext("2d")!;
    ink.scale(tile.width / size, tile.width / size);
    ink.fillStyle = under;
    ink.fillRect(0, 0, size, size);
    ink.strokeStyle = over;
    ink.lineWidth = 1.6;
    ink.beginPath();
    for (const [x, y, toX, toY] of strokes as [number, number, number, number][]) {
      ink.moveTo(x, y);
      ink.lineTo(toX, toY);
    }
    ink.stroke();
    const pattern = ink.createPattern(tile, "repeat")!;
    pattern.setTransform(new DOMMatrix().scale(size / tile.width));
    return pattern;
  }
}
