/** Schemas of what is answered of gaps that were acknowledged, of drills and of verifications. */
import * as v from "valibot";

const text = v.string();
const count = v.number();
/** Words that may quote documents: null for who may not read them. */
const reason = v.nullable(text);

/** Gaps that were acknowledged. `isNew` is false if one was before: the first note stays. */
export const acknowledged = v.object({
  gaps: v.array(v.object({ table: text, from: text, to: text, isNew: v.boolean() })),
});

export const drills = v.object({
  drills: v.array(
    v.object({
      ended: text,
      begun: text,
      instant: text,
      class: text,
      ok: v.boolean(),
      documents: count,
      seconds: count,
      /** Why it could compare nothing. */
      failure: v.optional(v.object({ kind: text, reason })),
      tables: v.array(
        v.object({
          id: text,
          name: text,
          ok: v.boolean(),
          rows: count,
          /** How many documents, and how many settings, are not as the repository has them. */
          differences: v.optional(
            v.object({ missing: count, altered: count, extra: count, settings: count }),
          ),
        }),
      ),
      /** What was expected, in words that may quote documents: null for who may not read them. */
      checks: v.optional(
        v.array(v.object({ table: text, outcome: text, found: v.optional(count), reason })),
      ),
    }),
  ),
  /** Names of those of which the object is damaged. */
  damaged: v.array(text),
});

export const verifications = v.object({
  verifications: v.array(
    v.object({
      begun: text,
      ended: text,
      sound: v.boolean(),
      share: count,
      read: v.object({ objects: count, bytes: count }),
      stored: v.object({ objects: count, bytes: count }),
      readsDocuments: v.boolean(),
      damage: v.object({ count, objects: v.array(text) }),
      breaks: count,
      lostPins: v.array(text),
    }),
  ),
  /** Names of those of which the object is damaged. */
  damaged: v.array(text),
});
