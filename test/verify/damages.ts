/** Ways to damage an object. */
import { encodeJsonObject } from "../../src/format/json-object.js";
import { kindOf, type ObjectKind } from "../../src/verify/object-kinds.js";

/** The bytes in place of those that an object has; undefined if it is to be missing. */
export type Alteration = (name: string, objects: ReadonlyMap<string, Buffer>) => Buffer | undefined;

export const damages = {
  missing: () => undefined,
  truncated: (name, objects) => {
    const bytes = objects.get(name)!;
    return bytes.subarray(0, Math.floor(bytes.length * 0.7));
  },
  flipped: (name, objects) => {
    const copy = Buffer.from(objects.get(name)!);
    // In the first frame of a data object; in the middle of a JSON object.
    const at = name.endsWith(".json") ? Math.floor(copy.length / 2) : 12;
    copy[at]! ^= 0x10;
    return copy;
  },
  swapped: another,
} satisfies Record<string, Alteration>;

/** Another object of the same kind; of what there is one only, that of another repository. */
function another(name: string, objects: ReadonlyMap<string, Buffer>): Buffer {
  const kind = kindOf(name)!;
  const bytes = objects.get(name)!;
  for (const [other, of] of objects) if (kindOf(other) === kind && !of.equals(bytes)) return of;
  const { type, fields } = others[kind]!;
  return encodeJsonObject(type, fields);
}

const others: Partial<Record<ObjectKind, { type: string; fields: object }>> = {
  repository: {
    type: "repository",
    fields: { id: "00000000-0000-4000-8000-00000000000a", created: 0 },
  },
  verification: {
    type: "verification",
    fields: {
      unique: "0123456789ab",
      begun: 1,
      ended: 5,
      sound: true,
      share: 0,
      lanes: 1,
      stored: { objects: 1, bytes: 1 },
      read: { objects: 0, bytes: 0 },
      readsDocuments: true,
      chainsFollowed: false,
      damage: { count: 0, objects: [] },
      breaks: 0,
      lostPins: [],
    },
  },
  drill: {
    type: "drill",
    fields: {
      unique: "0123456789ab",
      begun: 1,
      ended: 5,
      instant: 1,
      class: "exact",
      ok: true,
      server: null,
      documents: 0,
      bytes: 0,
      seconds: 1,
      documentsPerSecond: 0,
      bytesPerSecond: 0,
      tables: [],
    },
  },
  evidence: {
    type: "evidence",
    fields: { table: "x", key: "1", before: 1, at: 2, sequence: 3, named: null, stored: null },
  },
  wish: {
    type: "wish",
    fields: { epoch: 2, unique: "other1", asked: 1, host: "beta", process: 8 },
  },
  member: {
    type: "member",
    fields: {
      number: 2,
      unique: "other1",
      host: "beta",
      process: 8,
      space: "beta",
      at: 1,
      lanes: [],
      replaces: [],
      left: false,
    },
  },
  audit: {
    type: "audit",
    fields: {
      at: 1,
      unique: "89abcdef",
      counter: 9,
      actor: { name: "x", via: "api" },
      what: "",
      over: {},
      outcome: "",
      address: "",
    },
  },
  token: {
    type: "token",
    fields: {
      number: 2,
      id: "89abcdef",
      name: "other",
      role: "admin",
      hash: "0".repeat(64),
      createdAt: 1,
      revoked: false,
    },
  },
  mark: { type: "mark", fields: { id: "89abcdef", at: 1, made: 1, text: "" } },
  answer: { type: "answer", fields: { epoch: 2, unique: "other1", since: 1 } },
  acknowledgement: {
    type: "acknowledgement",
    fields: { table: "x", from: 1, to: 2, note: "", at: 3 },
  },
};
