/** Schemas of what is answered of one table. */
import * as v from "valibot";

const text = v.string();
const count = v.number();
/** Words of a server, which may quote a document: null for who may not read documents. */
const reason = v.nullable(text);
/** Code of people, which may have values of documents in it: null for who may not read documents. */
const code = v.nullable(text);
/** What is kept of one table. */
export const tableDetails = v.object({
  table: text,
  id: text,
  /** The newest first; `schema` is null from when it was dropped. */
  schemas: v.array(
    v.object({
      at: text,
      changes: v.array(text),
      schema: v.nullable(
        v.object({
          name: text,
          primaryKey: text,
          durability: text,
          writeAcks: text,
          shards: v.array(v.object({ primary: text, replicas: v.array(text) })),
          indexes: v.array(v.object({ name: text, multi: v.boolean(), geo: v.boolean(), code })),
          writeHook: v.nullable(v.object({ code })),
          /** Why the table could not be read then. */
          reason,
        }),
      ),
    }),
  ),
  /** With which a restore can begin, the newest first. */
  bases: v.array(
    v.object({
      at: text,
      lane: count,
      documents: count,
      documentBytes: count,
      storedBytes: count,
      parts: count,
    }),
  ),
  logs: v.array(
    v.object({
      lane: count,
      from: v.nullable(text),
      to: v.nullable(text),
      changes: count,
      lineBytes: count,
      segments: count,
      foldedSegments: count,
      foldedBytes: count,
    }),
  ),
});

/** What a restore of one table to its newest instant reads. */
export const tableReads = v.object({
  table: text,
  base: v.nullable(text),
  documents: count,
  objects: count,
  bytes: count,
  seconds: count,
  isMeasured: v.boolean(),
  requests: v.nullable(v.object({ get: count, list: count })),
  cost: v.nullable(
    v.object({
      profile: text,
      asOf: text,
      currency: text,
      requestCost: count,
      bytesCost: count,
      total: count,
    }),
  ),
});
