/** Streams the documents of a table from base and log to the target. */
import { SetDigest } from "../digest.js";
import { mergeLatest } from "../format/merge.js";
import { orderCode } from "../key-order.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { BatchWriter, type RefusedDocument } from "./batch-writer.js";
import type { HeldKeys } from "./held-keys.js";
import type { Pace } from "./pace.js";
import type { PlannedTable } from "./plan.js";
import type { PlannedLog } from "./planned-log.js";

export interface Filled {
  /** Set digest of what the table should hold. */
  digest: SetDigest;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  /** How many documents were read, but not chosen. */
  passedOver: number;
  /** How many the table had already. */
  already: number;
  refused: RefusedDocument[];
  /** Chosen keys that no document has. */
  missingKeys: Buffer[];
}

/**
 * Writes the chosen documents of a table in key order; resolves when all are acknowledged.
 * @param made the table of the target
 * @param how.held what the table holds, if it is half-filled
 * @param onWritten called with the documents and bytes so far; for progress
 * @param signal ends it between two batches, with the signal's reason; then nothing is written any more
 */
export async function fillTable(
  table: PlannedTable,
  log: PlannedLog,
  target: Target,
  made: TableReference,
  { held, pace }: { held?: HeldKeys | undefined; pace?: Pace | undefined },
  onWritten: (documents: number, bytes: number) => void,
  signal: AbortSignal,
): Promise<Filled> {
  const { chosen, mask } = table;
  const { matches } = chosen;
  const digest = new SetDigest();
  const writer = new BatchWriter(target, made, pace);
  const missing = new Map((chosen.keys ?? []).map((key) => [orderCode(key), key]));
  let passedOver = 0;
  const already = { documents: 0, bytes: 0 };
  try {
    for await (const winners of mergeLatest(log.cursors(table))) {
      for (const { code, version } of winners) {
        if (version.document === null) continue;
        missing.delete(code);
        if (matches && !matches(version.document)) {
          passedOver += 1;
          mask?.look(version.document);
          continue;
        }
        const { key, document } = mask
          ? mask.mask(version.key, version.document)
          : { key: version.key, document: version.document };
        digest.addDocument(document);
        if (held && (await held.has(code, document))) {
          already.documents += 1;
          already.bytes += document.length;
          continue;
        }
        writer.add(key, document);
      }
      await writer.room();
      onWritten(writer.documents + already.documents, writer.bytes + already.bytes);
      signal.throwIfAborted();
    }
    await writer.finish();
  } finally {
    await writer.ended();
    await held?.end();
  }
  const { refused } = writer;
  for (const { document } of refused) digest.removeDocument(document);
  return {
    digest,
    documents: writer.documents + already.documents,
    bytes: writer.bytes + already.bytes,
    passedOver,
    already: already.documents,
    refused,
    missingKeys: [...missing.values()],
  };
}
