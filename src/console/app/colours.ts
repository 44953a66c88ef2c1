/** Colours of the style sheet, for what is drawn on a canvas. */
import { theme } from "./theme.js";

const known = new Map<string, string>();
const dark = matchMedia("(prefers-color-scheme: dark)");
const forget = () => known.clear();
theme.onChange(forget);
dark.addEventListener("change", forget);

/** The colour that a role such as "exact" has in the theme that is shown. */
export function colour(role: string): string {
  const before = known.get(role);
  if (before !== undefined) return before;
  // Only a property that is a colour tells which of the two of a theme it is.
  const probe = document.createElement("span");
  probe.style.color = `var(--${role})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  known.set(role, found);
  return found;
}

/** Calls the listener when other colours are to be drawn; returns what ends that. */
export function onColours(listener: () => void): () => void {
  const forgetTheme = theme.onChange(listener);
  dark.addEventListener("change", listener);
  return () => {
    forgetTheme();
    dark.removeEventListener("change", listener);
  };
}
