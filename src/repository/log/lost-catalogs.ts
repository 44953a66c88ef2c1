import { UnusableObject } from "../../errors.js";
import { parseSegmentName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { contains, type LogView } from "./log-view.js";
import { recordHolders, refusing } from "./stream-records.js";

/** Yields the spans of time whose catalog cannot be read, each with the missing object that causes it. */
export async function* lostCatalogs(
  view: LogView,
): AsyncGenerator<{ object: string; span: { from: Instant; to: Instant } }> {
  for (const [index, piece] of view.pieces.entries()) {
    const next = view.pieces[index + 1];
    // A folded segment starts with the whole catalog before it. So it is enough to check the last piece before each
    // one.
    if (next && next.kind !== "folded") continue;
    const { to } = piece;
    const broken = await brokenHolder(view, index);
    if (broken) yield { object: broken.object, span: { from: Math.min(broken.from, to), to } };
  }
}

async function brokenHolder(
  view: LogView,
  index: number,
): Promise<{ object: string; from: Instant } | undefined> {
  let last: Instant = view.pieces[index]!.from;
  try {
    for await (const holder of recordHolders(view, "catalog", index, refusing(view))) {
      if (!("manifest" in holder)) {
        last = holder.index.footer.from;
        continue;
      }
      const [lost] = holder.manifest.lost;
      if (lost !== undefined) return { object: lost, from: holder.from };
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof UnusableObject)) throw error;
    const missing = parseSegmentName(error.object);
    const isBetween = missing && !view.pieces.some((piece) => contains(piece, missing));
    return { object: error.object, from: isBetween ? missing.from : last };
  }
}
