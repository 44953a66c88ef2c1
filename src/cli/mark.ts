import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { isPointId } from "../recovery/point-ids.js";
import {
  listMarkNames,
  listMarks,
  type Mark,
  putMark,
  readMark,
} from "../repository/records/marks.js";
import { openRepository } from "../repository/repository.js";
import { stillToCome } from "../restore/when-proven.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import { formatTable, type Output } from "./output.js";
import { plain } from "./points.js";
import { countedStore } from "./store-use-text.js";

export interface MarkArguments {
  repo: string;
  at?: string;
}

const charactersMax = 200;

/** Of so many of the newest marks the texts are compared, so that a mark costs little however many there are. */
const comparedMax = 100;

/** @param words `list`; or the text of a mark, which may have `add` in front of it */
export async function markCommand(
  words: readonly string[],
  args: MarkArguments,
  output: Output,
): Promise<void> {
  if (words.length === 1 && words[0] === "list") {
    if (args.at === undefined) return listCommand(args, output);
    throw new ThinkbackError("usage", "--at has no effect with mark list", {
      hint: 'a mark that is called "list" is made by: thinkback mark add list',
    });
  }
  const [text, ...more] = words[0] === "add" ? words.slice(1) : words;
  if (text !== undefined && more.length === 0) return addCommand(text, args, output);
  const example = text === undefined ? "add" : [text, ...more].join(" ");
  throw new ThinkbackError("usage", "a mark is one text, and not several words", {
    hint: `put the text in quotes: thinkback mark add ${JSON.stringify(example)}`,
  });
}

/** Marks an instant. It puts one object, and reads a few, so that each deployment can afford it. */
async function addCommand(text: string, args: MarkArguments, given: Output): Promise<void> {
  checkText(text);
  const now = systemClock.now();
  const at = args.at === undefined ? now : parseInstant(args.at, now);
  if (at > now) throw stillToCome(at);
  const { store: place, output } = countedStore(args.repo, given);
  const { store } = await openRepository(place);
  const id = randomUUID().slice(0, 8);
  // The mark is made also if nobody may read the others here.
  const same = await newestCalled(text, store).catch(() => undefined);
  await putMark(store, { id, at, made: now, text });
  output.line(`marked ${formatInstant(at)} as "${text}"`);
  if (same) {
    const ids = `before:mark-${same.id} (${formatInstant(same.at)}) and before:mark-${id}`;
    output.note(`thinkback: another mark is called "${text}" too: name them by their ids: ${ids}`);
  } else output.line(`the last instant before it is --at "before:${text}", or before:mark-${id}`);
  output.result({ id: `mark-${id}`, text, at: formatInstant(at), made: formatInstant(now) });
}

/** The newest mark of a text, if it is among the newest of all. */
async function newestCalled(text: string, store: ObjectStore): Promise<Mark | undefined> {
  const names = (await listMarkNames(store)).slice(-comparedMax);
  let found: Mark | undefined;
  const reading = severalAtOnce(names, readsAtOnce, ({ name }) => readMark(store, name));
  for await (const mark of reading) if (mark.text === text) found = mark;
  return found;
}

async function listCommand(args: MarkArguments, given: Output): Promise<void> {
  const { store: place, output } = countedStore(args.repo, given);
  const { store } = await openRepository(place);
  const marks = await listMarks(store);
  const rows = marks.map(({ id, at, text }) => [formatInstant(at), `mark-${id}`, plain(text)]);
  output.line(rows.length === 0 ? "no marks" : formatTable(["time", "id", "text"], rows));
  output.result({
    marks: marks.map(({ id, text, at, made }) => {
      return { id: `mark-${id}`, text, at: formatInstant(at), made: formatInstant(made) };
    }),
  });
}

function checkText(text: string): void {
  if (isPointId(text)) {
    throw new ThinkbackError("usage", `"${text}" is how the id of a point looks`, {
      hint: "give a mark another text: before: would find the point, and not the mark",
    });
  }
  const hasControls = /\p{Cc}|\p{Cs}/u.test(text);
  if (text.trim() === text && text !== "" && text.length <= charactersMax && !hasControls) return;
  throw new ThinkbackError("usage", "this text cannot be a mark", {
    hint: `give up to ${charactersMax} characters on one line, without blanks at its ends`,
  });
}
