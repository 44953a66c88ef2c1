/** Light or dark: as the system says, unless somebody has chosen. */
import { Shared } from "./store.js";

export type Theme = "system" | "light" | "dark";
const storageName = "thinkback-theme";

export const theme = new Shared<Theme>((localStorage.getItem(storageName) as Theme) ?? "system");

export function setTheme(chosen: Theme): void {
  if (chosen === "system") localStorage.removeItem(storageName);
  else localStorage.setItem(storageName, chosen);
  theme.set(chosen);
  apply();
}

export function apply(): void {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset["theme"];
  else dataset["theme"] = theme.value;
}
