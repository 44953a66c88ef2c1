/**
 * Scratch databases, which a drill makes on a target and drops when it ends. They are recognized by their names alone,
 * so the names are such as nobody else would give.
 */

/** The prefix of the names of one drill's databases. @param unique 12 hexadecimal digits that no other drill has */
export function scratchPrefix(unique: string): string {
  return `thinkback_drill_${unique}_`;
}

export function isScratchDatabase(name: string): boolean {
  return /^thinkback_drill_[0-9a-f]{12}_/.test(name);
}
