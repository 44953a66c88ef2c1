import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { isPointId } from "../recovery/point-ids.js";
import { putMark } from "../repository/records/marks.js";
import { openRepository } from "../repository/repository.js";
import { stillToCome } from "../restore/when-proven.js";
import type { Output } from "./output.js";
import { countedStore } from "./store-use-text.js";

export interface MarkArguments {
  repo: string;
  at?: string;
}

const charactersMax = 200;

/** Marks an instant. Besides opening the repository it puts one object, so that each deployment can afford it. */
export async function markCommand(text: string, args: MarkArguments, given: Output): Promise<void> {
  checkText(text);
  const now = systemClock.now();
  const at = args.at === undefined ? now : parseInstant(args.at, now);
  if (at > now) throw stillToCome(at);
  const { store: place, output } = countedStore(args.repo, given);
  const { store } = await openRepository(place);
  const id = randomUUID().slice(0, 8);
  await putMark(store, { id, at, made: now, text });
  output.line(`marked ${formatInstant(at)} as "${text}"`);
  output.line(`the last instant before it is --at "before:${text}", or before:mark-${id}`);
  output.result({ id: `mark-${id}`, text, at: formatInstant(at), made: formatInstant(now) });
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
