/** What the server answers of a difference. Documents stay the texts that are stored, see stored-json.ts. */
import type { Diff } from "../app/answers.js";
import { StoredJson, type StoredPath } from "./stored-json.js";

export type Change = NonNullable<Diff["documents"]>[number]["change"];

export interface DocumentDifference {
  key: StoredJson;
  change: Change;
  /** Null: there was no document. */
  before: StoredJson | null;
  after: StoredJson | null;
  /** Those that differ; none of a document that is in one state only. */
  paths: StoredPath[];
}

export interface Difference extends Omit<Diff, "documents"> {
  /** Not there for a role that may not read them. */
  documents?: DocumentDifference[];
}

/** @throws {StoredJsonError} if the text is no answer */
export function readDifference(text: string): Difference {
  const { fields } = StoredJson.of(text);
  const counts = [...fields].filter(([name]) => name !== '"documents"');
  const said = counts.map(([name, value]) => [JSON.parse(name), value.parsed()]);
  const documents = fields.get('"documents"');
  return {
    ...(Object.fromEntries(said) as Omit<Diff, "documents">),
    ...(documents ? { documents: documents.items.map(documentIn) } : {}),
  };
}

function documentIn(one: StoredJson): DocumentDifference {
  const version = (name: string) => {
    const found = one.field(name);
    return found === undefined || found.kind === "null" ? null : found;
  };
  const pathOf = (field: StoredJson) => (field.field("path")?.items ?? []).map(({ text }) => text);
  return {
    key: one.field("key")!,
    change: one.field("change")!.parsed<Change>(),
    before: version("before"),
    after: version("after"),
    paths: (one.field("fields")?.items ?? []).map(pathOf),
  };
}

/** A key as people read it: a text without quotes, unless it could be taken for something else. */
export function keyText(key: StoredJson): string {
  if (key.kind !== "string") return key.text;
  const plain = key.parsed<string>();
  if (plain === "" || plain !== plain.trim() || /\p{Cc}/u.test(plain)) return key.text;
  try {
    JSON.parse(plain);
    return key.text;
  } catch {
    return plain;
  }
}
