/** Holds what the timeline shows and where somebody is in it, and paints when one of them has changed. */
import { onColours } from "../app/colours.js";
import { type Event, type Picture, type Row, type Span, spanAt } from "./timeline-data.js";
import {
  axisHeight,
  draw,
  eventGroups,
  eventsHeight,
  eventWidth,
  headHeight,
  type Line,
  lineHeight,
  type Scene,
} from "./timeline-draw.js";
import { Inks } from "./timeline-inks.js";
import { moved, showing, spanOf, type View, within, zoomed } from "./timeline-scale.js";

/** A row and an instant of it. */
export interface Spot {
  row: Row;
  at: number;
  /** Undefined if nothing is known of the instant. */
  span: Span | undefined;
  /** It is captured, and not proven yet. */
  isUnproven: boolean;
}

/** What somebody sees, and on how many pixels. */
export interface Seen extends View {
  pixels: number;
}

/** So much of the whole is left free after now, so that the newest is seen to end. */
const marginShare = 0.015;

export class Board {
  private picture: Picture = { rows: [], from: 0, now: 1, stepMs: 1 };
  /** A part of it, more exactly. */
  private detail: { view: View; rows: ReadonlyMap<string, Row> } | undefined;
  private lines: readonly Line[] = [];
  private events: readonly Event[] = [];
  private whole: View = { from: 0, to: 1 };
  private view: View | undefined;
  private cursor: Scene["cursor"];
  private chosenSpot: Spot | undefined;
  private width = 0;
  private height = 0;
  private ratio = 0;
  private inks: Inks | undefined;
  private isDue = false;
  private readonly ends: (() => void)[];

  /**
   * @param onMove called when the cursor or what is chosen is another
   * @param onView called when something else is seen
   */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly scroller: HTMLElement,
    private readonly onMove: () => void,
    private readonly onView: (seen: Seen) => void,
  ) {
    const sizes = new ResizeObserver(() => this.paint());
    sizes.observe(scroller);
    const scrolled = () => this.paint();
    scroller.addEventListener("scroll", scrolled, { passive: true });
    const forget = onColours(() => {
      this.inks = undefined;
      // The style of the other theme counts a moment later.
      requestAnimationFrame(() => this.paint());
    });
    this.ends = [
      () => sizes.disconnect(),
      () => scroller.removeEventListener("scroll", scrolled),
      forget,
    ];
  }

  end(): void {
    for (const end of this.ends) end();
  }

  show(picture: Picture, lines: readonly Line[], events: readonly Event[]): void {
    const isAtEnd = this.view === undefined || this.view.to >= this.whole.to;
    const ms = Math.max(1000, picture.now - picture.from);
    this.whole = { from: picture.from - ms * 0.002, to: picture.now + ms * marginShare };
    if (this.view && isAtEnd && !this.isWhole) {
      const span = spanOf(this.view);
      this.view = within({ from: this.whole.to - span, to: this.whole.to }, this.whole);
    }
    Object.assign(this, { picture, lines, events });
    this.paint();
  }

  /** Draws a part more exactly, as long as no more than that is seen. */
  refine(detail: { view: View; picture: Picture } | undefined): void {
    const rows = new Map(detail?.picture.rows.map((row) => [row.id, row]));
    this.detail = detail && { view: detail.view, rows };
    this.paint();
  }

  private get shown(): View {
    return this.view ?? this.whole;
  }

  /** Everything is shown, also what is still to come. */
  get isWhole(): boolean {
    return this.view === undefined;
  }

  get spot(): Spot | undefined {
    const { cursor } = this;
    const row = cursor && this.rowAt(cursor.line);
    if (!row || !cursor) return undefined;
    const { at } = cursor;
    const newest = row.spans.at(-1)?.to;
    const isUnproven = newest !== undefined && at > newest && row.state !== "dropped";
    return { row, at, span: spanAt(this.spansOf(row), at), isUnproven };
  }

  get chosen(): Spot | undefined {
    return this.chosenSpot;
  }

  /** The events that stand where the cursor is. */
  get near(): readonly Event[] {
    const { cursor } = this;
    if (!cursor) return [];
    const scene = this.scene();
    const x = this.xOf(cursor.at);
    const group = eventGroups(scene).find((one) => Math.abs(one.x - x) <= eventWidth / 2);
    return group?.events ?? [];
  }

  zoom(factor: number, x?: number): void {
    const { cursor, shown } = this;
    const isSeen = cursor && cursor.at >= shown.from && cursor.at <= shown.to;
    const middle = isSeen ? cursor.at : (shown.from + shown.to) / 2;
    this.look(zoomed(shown, factor, x === undefined ? middle : this.atX(x), this.whole));
  }

  /** @param pixels to the later side */
  pan(pixels: number): void {
    this.look(moved(this.shown, (pixels / this.bars) * spanOf(this.shown), this.whole));
  }

  all(): void {
    this.view = undefined;
    this.paint();
  }

  toEnd(which: "first" | "last"): void {
    const at = which === "first" ? this.picture.from : this.picture.now;
    this.look(showing(this.shown, at, this.whole));
    this.put({ line: this.cursor?.line ?? -1, at });
  }

  /** Moves the cursor by parts of what is seen, and by rows. */
  step(share: number, rows: number): void {
    const { shown } = this;
    const cursor = this.cursor ?? { line: -1, at: Math.min(this.picture.now, shown.to) };
    const moving = cursor.at + share * spanOf(shown);
    const at = Math.min(Math.max(moving, this.picture.from), this.picture.now);
    this.look(showing(shown, at, this.whole));
    const line = this.lineFrom(cursor.line, rows);
    if (line >= 0) this.reveal(line);
    this.put({ line, at });
  }

  hover(x: number, y: number): void {
    const line = this.lineAt(y);
    const at = this.atX(x);
    if (line === undefined || x < this.names) this.leave();
    else this.put({ line, at: Math.min(Math.max(at, this.shown.from), this.picture.now) });
  }

  leave(): void {
    if (this.cursor) this.put(undefined);
  }

  /** Chooses where the cursor is; where an event stands, and the pointer is in its line, the instant before that. */
  choose(y?: number): Spot | undefined {
    const { spot } = this;
    const isAtEvents = y !== undefined && y >= axisHeight && y < axisHeight + eventsHeight;
    const event = isAtEvents ? this.near.at(-1) : undefined;
    this.chosenSpot = spot;
    if (spot && event) {
      const span = spanAt(this.spansOf(spot.row), event.before);
      this.chosenSpot = { ...spot, at: event.before, span };
    }
    this.paint();
    this.onMove();
    return this.chosenSpot;
  }

  unchoose(): void {
    this.chosenSpot = undefined;
    this.paint();
    this.onMove();
  }

  private look(view: View): void {
    const isAll = spanOf(view) >= spanOf(this.whole);
    this.view = isAll ? undefined : view;
    this.paint();
  }

  private put(cursor: Scene["cursor"]): void {
    this.cursor = cursor && { line: cursor.line, at: Math.round(cursor.at) };
    this.paint();
    this.onMove();
  }

  /** As exactly as they are known. */
  private spansOf(row: Row): readonly Span[] {
    const { detail, shown } = this;
    if (!detail || detail.view.from > shown.from || detail.view.to < shown.to) return row.spans;
    return detail.rows.get(row.id)?.spans ?? row.spans;
  }

  private get names(): number {
    if (this.width < 560) return 108;
    return this.width < 900 ? 160 : 220;
  }

  private get bars(): number {
    return Math.max(1, this.width - this.names);
  }

  private atX(x: number): number {
    return this.shown.from + ((x - this.names) / this.bars) * spanOf(this.shown);
  }

  private xOf(at: number): number {
    return this.names + ((at - this.shown.from) / spanOf(this.shown)) * this.bars;
  }

  private rowAt(line: number): Row | undefined {
    if (line === -1) return this.picture.rows[0];
    const found = this.lines[line];
    return found && "row" in found ? found.row : undefined;
  }

  private lineAt(y: number): number | undefined {
    if (y < headHeight) return -1;
    const line = Math.floor((y - headHeight + this.scroller.scrollTop) / lineHeight);
    return this.rowAt(line) ? line : undefined;
  }

  /** The line so many rows farther, past the names of databases; the last one there is. */
  private lineFrom(line: number, rows: number): number {
    const direction = Math.sign(rows);
    let [found, left] = [line, Math.abs(rows)];
    for (let i = line + direction; left > 0 && i >= -1 && i < this.lines.length; i += direction) {
      if (!this.rowAt(i)) continue;
      found = i;
      left -= 1;
    }
    return found;
  }

  private reveal(line: number): void {
    const { scroller } = this;
    const top = line * lineHeight;
    const room = this.height - headHeight - lineHeight;
    // The name of a first table's database is seen with it.
    if (top < scroller.scrollTop + lineHeight) scroller.scrollTop = Math.max(0, top - lineHeight);
    else if (top > scroller.scrollTop + room) scroller.scrollTop = top - room;
  }

  private paint(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.paintNow();
    });
  }

  private paintNow(): void {
    const { canvas, scroller } = this;
    const { clientWidth: width, clientHeight: height } = scroller;
    const ratio = devicePixelRatio;
    if (width === 0 || !canvas.isConnected) return;
    if (width !== this.width || height !== this.height || ratio !== this.ratio) {
      if (ratio !== this.ratio) this.inks = undefined;
      Object.assign(this, { width, height, ratio });
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const ink = canvas.getContext("2d", { alpha: false })!;
    this.inks ??= new Inks(ratio);
    ink.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw(ink, this.scene(), this.inks);
    this.onView({ ...this.shown, pixels: this.bars });
  }

  private scene(): Scene {
    const { width, height, names, shown: view, picture, lines, events, cursor } = this;
    return {
      width,
      height,
      names,
      view,
      now: picture.now,
      cluster: picture.rows[0],
      lines,
      spansOf: (row) => this.spansOf(row),
      scrollTop: this.scroller.scrollTop,
      events,
      cursor,
      chosen: this.chosenSpot?.at,
    };
  }
}
