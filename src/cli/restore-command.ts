import { formatInstant, type Instant } from "../instant.js";
import { shellWord } from "./output.js";

/** The command that restores an import, which knows no users and grants. */
export function restoreCommand(repo: string, at: Instant, isExact: boolean): string {
  const inexact = isExact ? "" : "--allow-inexact ";
  return `thinkback restore --repo ${shellWord(repo)} --at ${formatInstant(at)} ${inexact}--without-access --target …`;
}
