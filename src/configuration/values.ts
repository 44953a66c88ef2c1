/** Whether a text is a value of an option's type. Used for values of the file and of the environment. */
import { tableSelection } from "../capture/selection.js";
import { ThinkbackError } from "../errors.js";
import { durationMs } from "../instant.js";
import { parseKeep } from "../repository/registers/keep-policy.js";
import { parseAddresses } from "../rethinkdb/address.js";
import { sizeBytes } from "../size.js";
import { parseCron } from "../upkeep/schedule.js";
import { holdsSecretKey, secretKeyHint } from "./addresses.js";
import type { OptionRow, OptionType } from "./option.js";

/** What is wrong with a value, and what to do. */
export interface Wrong {
  message: string;
  hint: string;
}

/** What an address or a password is must not be said: it may be a secret. */
const refusals: Partial<Record<OptionType, [is: string, hint: string]>> = {
  text: ["is empty", "give it a value, or leave it out"],
  path: ["is empty", "give the path of a file or directory, or leave it out"],
  location: ["is empty", "give the path of a directory, or leave it out"],
  url: ["is empty", "give the URL of a server, or leave it out"],
  password: ["is empty", "give it a value, or leave it out"],
  "secret url": ["is empty", "give the URL, or leave it out"],
  duration: ["is not a duration", "give it as 500ms, 30s, 15m, 2h or 1d"],
  size: ["is not a size", "give it as 512MiB or 2GiB"],
  count: ["is not a whole number above 0", "give a number such as 2"],
  price: ["is not a price", "give a number such as 0.023"],
  switch: ["is neither true nor false", "write true or false"],
};

/** What is wrong with the text as a value of the row; undefined if nothing is. Never repeats a secret. */
export function wrongIn(row: OptionRow, text: string): Wrong | undefined {
  if (holdsSecretKey(text)) return { message: "is a secret key itself", hint: secretKeyHint };
  if (row.choices && !row.choices.includes(text)) {
    return { message: `"${text}" is not one of its values`, hint: `give ${orOf(row.choices)}` };
  }
  const wrong = isPlace(row) ? wrongPlace(text) : undefined;
  if (wrong) return wrong;
  if (isOfType(row.type, text)) return reading(() => parse(row, text));
  const [is, hint] = refusals[row.type] ?? ["is empty", "give it a value, or leave it out"];
  return { message: text === "" ? "is empty" : `"${text}" ${is}`, hint };
}

/** True if the values are places, of which several may be given. */
export function isPlace({ type, list }: OptionRow): boolean {
  return type === "location" || (type === "path" && list === true);
}

/** A path may have blanks in it; but one that goes on as a place begins was meant as two. */
function wrongPlace(text: string): Wrong | undefined {
  if (!/\s(\.{0,2}\/|[a-z][a-z0-9+.-]+:\/)/i.test(text)) return undefined;
  return {
    message: "holds a blank, and another place behind it",
    hint: "write each on a line of its own; in the file, as a list: [A, B]",
  };
}

/** The types whose form can be told by themselves. */
const forms: Partial<Record<OptionType, (text: string) => boolean>> = {
  duration: (text) => durationMs(text) !== undefined,
  size: (text) => sizeBytes(text) !== undefined,
  count: (text) => /^[1-9]\d{0,3}$/.test(text),
  price: (text) => /^\d+(\.\d+)?$/.test(text),
  switch: (text) => /^(true|false)$/i.test(text),
};

function isOfType(type: OptionType, text: string): boolean {
  const judge = forms[type];
  return text !== "" && (judge === undefined || judge(text));
}

/** Reads the text with the code that will use it. Throws what that code throws. */
function parse({ type }: OptionRow, text: string): void {
  if (type === "address") parseAddresses([text]);
  else if (type === "cron") parseCron(text, "the expression");
  else if (type === "tiers") parseKeep(text);
  else if (type === "pattern") tableSelection([text], []);
}

function reading(read: () => void): Wrong | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    return { message: error.message, hint: error.hint ?? "give it in another form" };
  }
}

/** The value as the commands take it: a switch as true or false, everything else as text. */
export function valueOf({ type }: OptionRow, text: string): string | boolean {
  return type === "switch" ? text.toLowerCase() === "true" : text;
}

export function orOf(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
