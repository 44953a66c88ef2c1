/** "Did you mean": which of the known names a misspelt one comes near. */

/** The known name that is most like `name`; undefined if none is like it. */
export function similar(name: string, known: Iterable<string>): string | undefined {
  const wanted = plain(name);
  let best: { name: string; edits: number } | undefined;
  for (const one of known) {
    const edits = editsBetween(wanted, plain(one));
    if (edits <= Math.max(1, Math.floor(wanted.length / 3)) && edits < (best?.edits ?? Infinity)) {
      best = { name: one, edits };
    }
  }
  return best?.name;
}

/** The known names that are most like `name`, the most alike first; of equally alike ones, in their order. */
export function mostSimilar(name: string, known: readonly string[], count: number): string[] {
  const wanted = plain(name);
  const ranked = known.map((one) => ({ one, edits: editsBetween(wanted, plain(one)) }));
  ranked.sort((a, b) => a.edits - b.edits);
  return ranked.slice(0, count).map(({ one }) => one);
}

/** The same for `foldEvery`, `fold-every` and `fold_every`. */
function plain(name: string): string {
  return name.replaceAll(/[-_\s]/g, "").toLowerCase();
}

/** How many letters are to be put in, left out, replaced, or exchanged with the next one (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [
    i,
    ...Array<number>(b.length).fill(0),
  ]);
  for (let j = 1; j <= b.length; j += 1) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i += 1) {
    for (let j = 1; j <= b.length; j += 1) {
      const differs = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1);
      least = Math.min(least, rows[i - 1]![j - 1]! + differs);
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isExchanged) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = least;
    }
  }
  return rows[a.length]![b.length]!;
}
