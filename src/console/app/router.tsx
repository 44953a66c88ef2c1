/**
 * Where in the console somebody is. The path and its query have names of tables and instants; what may be a key of a
 * document is in the state of the history entry, which is in no URL.
 */
import type { ComponentChildren } from "preact";
import { Shared, useShared } from "./store.js";

export interface Place {
  /** Words of the path. */
  path: string[];
  query: URLSearchParams;
  state: Record<string, unknown>;
}

const here = (): Place => ({
  path: location.pathname.split("/").filter(Boolean).map(decodeURIComponent),
  query: new URLSearchParams(location.search),
  state: (history.state ?? {}) as Record<string, unknown>,
});

export const place = new Shared<Place>(here());

addEventListener("popstate", () => place.set(here()));

/** Goes to a place of the console. */
export function go(to: string, state: Record<string, unknown> = {}): void {
  history.pushState(state, "", to);
  place.set(here());
  scrollTo(0, 0);
  // A reader of the screen begins with the new page.
  requestAnimationFrame(() => document.querySelector("h1")?.focus());
}

/** Changes the place without another step back. */
export function settle(to: string, state: Record<string, unknown> = place.value.state): void {
  history.replaceState(state, "", to);
  place.set(here());
}

export const usePlace = () => useShared(place);

interface LinkProps {
  to: string;
  state?: Record<string, unknown> | undefined;
  class?: string | undefined;
  title?: string | undefined;
  "aria-current"?: "page" | undefined;
  children?: ComponentChildren;
}

export function Link({ to, state, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to, state);
  };
  return (
    <a href={to} onClick={follow} {...rest}>
      {children}
    </a>
  );
}

/** A path with a query, of which what is undefined is left out. */
export function pathOf(path: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter(
    (one): one is [string, string] => one[1] !== undefined,
  );
  const text = new URLSearchParams(given).toString();
  return text === "" ? path : `${path}?${text}`;
}
