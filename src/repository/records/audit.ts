/**
 * The audit: who changed what through the HTTP API, and who read which document. One object for each entry, so that
 * processes need not agree, and nobody who may only write can alter what is there.
 *
 * Invariant: an answer that an entry is about goes out only after the entry is stored.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.js";
import { damaged } from "../../errors.js";
import { byName, fields, instant, oneOf, ordinal, text } from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { auditName, auditPrefix, parseAuditName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore, StoredObject } from "../../storage/object-store.js";

/** docs/format.md §9.8. */
export const auditKind = jsonKind("audit", {
  at: instant,
  /** 8 hexadecimal digits: the process that wrote it. */
  unique: text,
  /** Counts the entries of that process. */
  counter: ordinal,
  actor: fields({ name: text, via: oneOf(["cli", "api", "worker"]) }),
  /** What was asked for, such as "pin add". */
  what: text,
  /** What it was about, by "table", "key", "id" and so on. */
  over: byName(text),
  /** "begins" before a change; "done", or the code of an error, after it. */
  outcome: text,
  /** The address that it came from; empty if it came from no network. */
  address: text,
});
export type AuditRecord = Stored<typeof auditKind>;
export type AuditEntry = Omit<AuditRecord, "at" | "unique" | "counter">;

/** Writes the entries of one process. */
export class AuditWriter {
  private readonly unique = randomBytes(4).toString("hex");
  private counter = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Clock,
  ) {}

  /** Resolves when the entry is stored. */
  async write(entry: AuditEntry): Promise<void> {
    this.counter += 1;
    const { unique, counter } = this;
    const record: AuditRecord = { at: this.clock.now(), unique, counter, ...entry };
    await this.store.put(auditName(record.at, unique, counter), encodeStored(auditKind, record));
  }
}

export async function readAuditEntry(store: ObjectStore, name: string): Promise<AuditRecord> {
  const entry = await readStored(store, name, auditKind);
  if (name === auditName(entry.at, entry.unique, entry.counter)) return entry;
  throw damaged(name, "its name and its content differ");
}

/** Entries after a name, which need not be there, the oldest first; at most `countMax`. */
export async function listAudit(
  store: ObjectStore,
  after: string,
  countMax: number,
): Promise<{ name: string; entry: AuditRecord }[]> {
  const names: string[] = [];
  for await (const { name } of store.list(auditPrefix, { after })) {
    if (names.length === countMax) break;
    if (parseAuditName(name)) names.push(name);
  }
  const found: { name: string; entry: AuditRecord }[] = [];
  const reading = severalAtOnce(names, readsAtOnce, async (name) => {
    return { name, entry: await readAuditEntry(store, name) };
  });
  for await (const one of reading) found.push(one);
  return found;
}

/** So long entries are kept. */
const keptMs = 366 * 86_400_000;

/** The entries whose time is over. Their names are in the order of time, so only those, and one more, are listed. */
export async function endedAudit(store: ObjectStore, aged: Instant): Promise<StoredObject[]> {
  const ended: StoredObject[] = [];
  for await (const object of store.list(auditPrefix)) {
    const named = parseAuditName(object.name);
    if (named && named.at + keptMs >= aged) break;
    if (named) ended.push(object);
  }
  return ended;
}
