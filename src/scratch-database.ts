/**
 * Scratch databases, which a drill or a preview makes on a target and drops when it ends. They are recognized by their
 * names alone, so the names are such as nobody else would give.
 */
export type ScratchUse = "drill" | "preview";

/** The prefix of the names of one use's databases. @param unique 12 hexadecimal digits that no other use has */
export function scratchPrefix(unique: string, use: ScratchUse = "drill"): string {
  return `thinkback_${use}_${unique}_`;
}

/** @param use what it was made for; anything if absent */
export function isScratchDatabase(
  name: string,
  use: ScratchUse | "(drill|preview)" = "(drill|preview)",
): boolean {
  return new RegExp(`^thinkback_${use}_[0-9a-f]{12}_`).test(name);
}
