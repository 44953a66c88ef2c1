import type { TermDefinition } from "./term-definition.js";
import { adminTerms } from "./terms-admin.js";
import { aggregateTerms } from "./terms-aggregate.js";
import { changesTerms } from "./terms-changes.js";
import { coreTerms } from "./terms-core.js";
import { indexTerms } from "./terms-index.js";
import { mathTerms } from "./terms-math.js";
import { objectTerms } from "./terms-object.js";
import { sequenceTerms } from "./terms-sequence.js";
import { tableTerms } from "./terms-table.js";
import { textTerms } from "./terms-text.js";
import { timeTerms } from "./terms-time.js";
import { writeTerms } from "./terms-write.js";

/** Every term that the simulated server knows, by its number on the wire. */
export const terms: ReadonlyMap<number, TermDefinition> = new Map(
  [
    ...coreTerms,
    ...mathTerms,
    ...objectTerms,
    ...sequenceTerms,
    ...aggregateTerms,
    ...textTerms,
    ...timeTerms,
    ...tableTerms,
    ...writeTerms,
    ...indexTerms,
    ...adminTerms,
    ...changesTerms,
  ].map((term) => [term.id, term]),
);
