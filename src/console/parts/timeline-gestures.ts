/** What pointers, the wheel and keys do to a timeline. */
import type { Board } from "./timeline-board.js";

/** A pointer that has moved less is a click. */
const clickPxMax = 5;
/** So many pixels of the wheel make it twice as close. */
const wheelPxPerDouble = 240;

/** Listens to the canvas; returns what ends that. @param onChoose called after a click */
export function listen(canvas: HTMLCanvasElement, board: Board, onChoose: () => void): () => void {
  const over = new AbortController();
  const { signal } = over;
  const pointers = new Map<number, { x: number; y: number }>();
  let travelled = 0;
  const placeOf = ({ clientX, clientY }: MouseEvent) => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, placeOf(event));
    canvas.setPointerCapture(event.pointerId);
    if (pointers.size === 1) travelled = 0;
  };
  const move = (event: PointerEvent) => {
    const place = placeOf(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") board.hover(place.x, place.y);
      return;
    }
    const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    pointers.set(event.pointerId, place);
    travelled += Math.abs(place.x - before.x) + Math.abs(place.y - before.y);
    if (other) {
      const apart = (at: { x: number }) => Math.max(20, Math.abs(at.x - other.x));
      board.zoom(apart(place) / apart(before), (place.x + other.x) / 2);
      board.pan((before.x - place.x) / 2);
    } else if (travelled > clickPxMax) board.pan(before.x - place.x);
  };
  const up = (event: PointerEvent) => {
    const isClick = pointers.size === 1 && travelled <= clickPxMax;
    if (!pointers.delete(event.pointerId) || event.type !== "pointerup" || !isClick) return;
    const { x, y } = placeOf(event);
    board.hover(x, y);
    if (board.choose(y)) onChoose();
  };
  const wheel = (event: WheelEvent) => {
    const { deltaX, deltaY, ctrlKey, metaKey, shiftKey, deltaMode } = event;
    const pixels = deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const isAcross = shiftKey || Math.abs(deltaX) > Math.abs(deltaY);
    // Until somebody has gone into the timeline, the wheel is the page's.
    const isIn = canvas.closest("[tabindex]")?.matches(":focus, :focus-within") === true;
    if (!isAcross && !isIn && !ctrlKey && !metaKey) return;
    event.preventDefault();
    if (isAcross) board.pan((Math.abs(deltaX) > Math.abs(deltaY) ? deltaX : deltaY) * pixels);
    else {
      // A pinch on a touchpad comes as a wheel with small steps.
      const perDouble = ctrlKey ? wheelPxPerDouble / 4 : wheelPxPerDouble;
      board.zoom(2 ** ((-deltaY * pixels) / perDouble), placeOf(event).x);
    }
  };
  const leave = () => {
    if (pointers.size === 0) board.leave();
  };
  canvas.addEventListener("pointerdown", down, { signal });
  canvas.addEventListener("pointermove", move, { signal });
  canvas.addEventListener("pointerup", up, { signal });
  canvas.addEventListener("pointercancel", up, { signal });
  canvas.addEventListener("pointerleave", leave, { signal });
  canvas.addEventListener("wheel", wheel, { signal, passive: false });
  return () => over.abort();
}

/** What a key does; false if it does nothing. */
export function press(board: Board, { key, shiftKey }: KeyboardEvent): boolean {
  const act = keys[key];
  if (!act) return false;
  act(board, shiftKey);
  return true;
}

const keys: Record<string, (board: Board, isFar: boolean) => void> = {
  "+": (board) => board.zoom(1.6),
  "=": (board) => board.zoom(1.6),
  "-": (board) => board.zoom(1 / 1.6),
  "−": (board) => board.zoom(1 / 1.6),
  "0": (board) => board.all(),
  ArrowLeft: (board, isFar) => board.step(isFar ? -0.25 : -0.02, 0),
  ArrowRight: (board, isFar) => board.step(isFar ? 0.25 : 0.02, 0),
  ArrowUp: (board) => board.step(0, -1),
  ArrowDown: (board) => board.step(0, 1),
  PageUp: (board) => board.step(0, -10),
  PageDown: (board) => board.step(0, 10),
  Home: (board) => board.toEnd("first"),
  End: (board) => board.toEnd("last"),
};
