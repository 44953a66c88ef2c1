/** Marks: names that a person, or a script that deploys, gives to instants. They keep nothing; a pin does that. */
import { damaged } from "../../errors.js";
import { instant, text } from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { markName, marksPrefix, parseMarkName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";

/** docs/format.md §9.6. */
export const markKind = jsonKind("mark", {
  /** 8 hexadecimal digits. */
  id: text,
  /** The instant that is marked. */
  at: instant,
  /** When it was marked. */
  made: instant,
  text,
});
export type Mark = Stored<typeof markKind>;

export async function putMark(store: ObjectStore, mark: Mark): Promise<void> {
  await store.put(markName(mark.at, mark.id), encodeStored(markKind, mark));
}

/** What the names of the marks of instants from `from` up to and including `to` say, oldest first. */
export async function listMarkNames(
  store: ObjectStore,
  from: Instant = 0,
  to: Instant = Number.MAX_SAFE_INTEGER,
): Promise<{ name: string; id: string; at: Instant }[]> {
  const names: { name: string; id: string; at: Instant }[] = [];
  for await (const { name } of store.list(marksPrefix)) {
    const named = parseMarkName(name);
    if (named && from <= named.at && named.at <= to) names.push({ name, ...named });
  }
  return names;
}

/** The marks of instants from `from` up to and including `to`, oldest first. */
export async function listMarks(
  store: ObjectStore,
  from: Instant = 0,
  to: Instant = Number.MAX_SAFE_INTEGER,
): Promise<Mark[]> {
  const marks: Mark[] = [];
  const names = await listMarkNames(store, from, to);
  const reading = severalAtOnce(names, readsAtOnce, ({ name }) => readMark(store, name));
  for await (const mark of reading) marks.push(mark);
  return marks;
}

export async function readMark(store: ObjectStore, name: string): Promise<Mark> {
  const mark = await readStored(store, name, markKind);
  if (name === markName(mark.at, mark.id)) return mark;
  throw damaged(name, "its name and its content differ");
}
