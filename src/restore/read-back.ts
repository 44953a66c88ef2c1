import { SetDigest } from "../digest.js";
import { BothEnds, bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";

/**
 * The set digest of what the target holds of a table, read document by document. To be called when everything is
 * written and durable: a server that crashes loses what it has only acknowledged, and nobody would read that again.
 * @param documents how many the table should have
 */
export async function readBack(
  target: Target,
  table: TableReference,
  documents: number,
  signal: AbortSignal,
): Promise<SetDigest> {
  const held = new SetDigest();
  const ends = new BothEnds();
  await ends.run(documents >= bothEndsFromDefault, signal, async (options) => {
    for await (const batch of target.scan(table, options)) {
      signal.throwIfAborted();
      ends.forEach(options.order, batch, (_, document) => held.addDocument(document));
    }
  });
  return held;
}
