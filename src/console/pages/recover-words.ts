/**
 * What a form of a recovery says, in the words of the command line. The same words are requested of the server and
 * shown as a command, so what is copied does what the button does.
 */
import { formatInstant, parseInstant } from "../../instant.js";
import type { Draft } from "../parts/recover-draft.js";

/** Ways to bring something back, in the order in which they are offered: the safest first. */
export const ways = [
  "beside",
  "drill",
  "restore",
  "undo",
  "operation",
  "rewind",
  "promote",
  "back",
] as const;
export type Way = (typeof ways)[number];

export type Command = "restore" | "rewind" | "undo" | "promote" | "drill";

export const commandOf: Record<Way, Command> = {
  beside: "restore",
  drill: "drill",
  undo: "undo",
  operation: "undo",
  rewind: "rewind",
  restore: "restore",
  promote: "promote",
  back: "promote",
};

/** A form as it stands: texts as they are typed. */
export interface Form {
  way: Way;
  /** "db.table" each, or "db" for all of a database. */
  tables: string[];
  /** One on each line, as the command line takes it. */
  keys: string;
  between: string;
  where: string;
  at: string;
  from: string;
  to: string;
  operation: string;
  /** The table that is to take the place of the live one. */
  restored: string;
  /** Name of a target; empty for the source itself, and for a drill on a server of its own. */
  target: string;
  conflict: "refuse" | "skip" | "force" | "cascade";
  /** Paths, with commas between them. */
  fields: string;
  ignored: string;
  /** Which instant is taken where the one that is asked for is not exact. */
  inexact: "" | "before" | "after" | "any" | "nearest";
  maxRate: string;
  undoableFor: string;
  keepAdded: boolean;
  gentle: boolean;
  latest: boolean;
  withoutAccess: boolean;
  force: boolean;
}

export type Part = Exclude<keyof Form, "way">;

const choosing: Part[] = ["tables", "keys", "between", "where"];
const changing: Part[] = ["keepAdded", "inexact", "undoableFor", "maxRate", "gentle"];
const taking: Part[] = ["conflict", "fields", "ignored"];

/** Which parts of the form a way has. */
export const partsOf: Record<Way, readonly Part[]> = {
  beside: [...choosing, "at", "inexact", "maxRate", "gentle"],
  restore: [...choosing, "at", "target", "inexact", "withoutAccess", "maxRate", "gentle"],
  drill: ["tables", "at", "latest", "target"],
  undo: [...choosing, "from", "to", ...taking, ...changing],
  operation: ["operation", ...choosing, ...taking, ...changing],
  rewind: [...choosing, "at", ...changing],
  promote: ["restored", "target", "force"],
  back: ["tables", "target"],
};

export const empty: Form = {
  way: "beside",
  tables: [],
  keys: "",
  between: "",
  where: "",
  at: "",
  from: "",
  to: "",
  operation: "",
  restored: "",
  target: "",
  conflict: "refuse",
  fields: "",
  ignored: "",
  inexact: "",
  maxRate: "",
  undoableFor: "",
  keepAdded: false,
  gentle: false,
  latest: false,
  withoutAccess: false,
  force: false,
};

/** The name that `restore --beside` gives a table, or that a promote gives the one that was live. */
const besideName = /_(at|before|until)_\d{8}T\d{6}(?:\d{3})?Z(_part|_masked)?$/;

export const standsBeside = (table: string) => besideName.test(table);

/** The form that a page has led to. What a draft says wrongly is left out. */
export function formOf(draft: Partial<Draft> = {}): Form {
  const { command, tables = [], databases = [], keys = [], where } = draft;
  const text = (value: unknown) => (typeof value === "string" ? value : "");
  const names = [...tables, ...databases].filter((name) => typeof name === "string");
  const form: Form = {
    ...empty,
    way: wayOf(draft),
    tables: names,
    keys: keys.map(keyText).join("\n"),
    between: text(draft.between),
    where: where === undefined || typeof where === "string" ? text(where) : JSON.stringify(where),
    at: text(draft.at),
    from: text(draft.from),
    to: text(draft.to),
    operation: text(draft.operation),
    target: draft.target === "live" ? "" : text(draft.target),
    fields: (draft.fields ?? []).join(", "),
    latest: draft.latest === true,
  };
  const { inexact } = draft;
  if (inexact === "before" || inexact === "after" || inexact === "any") form.inexact = inexact;
  if (command === "promote" && !draft.back) return { ...form, restored: names[0] ?? "" };
  return form;
}

function wayOf({ command, operation, beside, back }: Partial<Draft>): Way {
  switch (command) {
    case "undo":
      return operation === undefined ? "undo" : "operation";
    case "rewind":
    case "drill":
      return command;
    case "promote":
      return back ? "back" : "promote";
    case "restore":
      return beside === false ? "restore" : "beside";
    case undefined:
    default:
      return "beside";
  }
}

/** A key as `--key` takes it: a text that could be taken for something else is JSON. */
export function keyText(key: unknown): string {
  if (typeof key !== "string" || key === "" || key.startsWith("@") || key !== key.trim())
    return JSON.stringify(key);
  // A request has no control characters.
  if (/\p{Cc}/u.test(key)) return JSON.stringify(key);
  try {
    JSON.parse(key);
    return JSON.stringify(key);
  } catch {
    return key;
  }
}

export interface Request {
  command: Command;
  args: string[];
}

/** At most so many words are taken by the server. */
const wordsMax = 200;

/** What a form asks for, or what is still wrong with it: a sentence for each part. @param now in ms */
export function requestOf(
  form: Form,
  now: number,
): { request: Request } | { wrong: Partial<Record<Part, string>> } {
  const has = (part: Part) => partsOf[form.way].includes(part);
  const wrong: Partial<Record<Part, string>> = {};
  const args: string[] = [];
  const option = (part: Part, name: string, text: string) => {
    if (has(part) && text.trim() !== "") args.push(`--${name}=${text.trim()}`);
  };
  const flag = (part: Part, name: string, is: boolean) => {
    if (has(part) && is) args.push(`--${name}`);
  };
  const instant = (part: "at" | "from" | "to", isNeeded: boolean) => {
    const said = has(part) ? instantWord(form[part], now) : "";
    if (typeof said !== "string") wrong[part] = said.wrong;
    else if (said === "" && isNeeded) wrong[part] = "Say which instant.";
    else option(part, part, said);
  };
  putTables(form, args, wrong);
  if (form.way === "beside") args.push("--beside");
  if (form.way === "back") args.push("--back");
  if (form.way !== "drill" || !form.latest) instant("at", form.way === "rewind");
  instant("from", form.way === "undo");
  instant("to", false);
  if (form.way === "operation" && form.operation.trim() === "")
    wrong.operation = "Say which operation is to be taken back.";
  option("operation", "operation", form.operation);
  const keys = form.keys.split("\n").filter((line) => line.trim() !== "");
  if (has("keys")) args.push(...keys.map((key) => `--key=${key.trim()}`));
  option("between", "between", form.between);
  option("where", "where", form.where.replaceAll(/[\n\r\t]/g, " "));
  if (form.conflict !== "refuse") option("conflict", "on-conflict", form.conflict);
  for (const path of listed(form.fields)) option("fields", "field", path);
  for (const path of listed(form.ignored)) option("ignored", "ignore-field", path);
  if (has("inexact")) args.push(...inexactWords(form));
  option("maxRate", "max-rate", form.maxRate);
  option("undoableFor", "undoable-for", form.undoableFor);
  flag("keepAdded", "keep-added", form.keepAdded);
  flag("gentle", "gentle", form.gentle);
  flag("latest", "latest", form.latest);
  flag("withoutAccess", "without-access", form.withoutAccess);
  flag("force", "force", form.force);
  option("target", "target", form.target);
  if (args.length > wordsMax) {
    wrong.keys = `A request has at most ${wordsMax} words: choose by a range or a query instead.`;
  }
  if (Object.keys(wrong).length > 0) return { wrong };
  return { request: { command: commandOf[form.way], args } };
}

const listed = (text: string) => text.split(",").filter((path) => path.trim() !== "");

/** Tables are words of undo, rewind and promote, and options of the others. */
function putTables(form: Form, args: string[], wrong: Partial<Record<Part, string>>): void {
  const { way, tables, restored } = form;
  const isTable = (name: string) => name.includes(".");
  const optional: Way[] = ["drill", "operation", "beside", "restore"];
  if (way === "promote") {
    if (isTable(restored)) args.push(restored);
    else wrong.restored = "Say which table is to take the place of the live one.";
    return;
  }
  if (tables.length === 0 && !optional.includes(way)) wrong.tables = "Choose a table.";
  if (way === "back" && tables.length > 1) wrong.tables = "Choose one table.";
  if (way === "back" && tables.some((name) => !isTable(name))) wrong.tables = "Choose a table.";
  const asWords = way !== "beside" && way !== "restore" && way !== "drill";
  for (const name of tables) {
    if (!isTable(name)) args.push(`--db=${name}`);
    else args.push(asWords ? name : `--table=${name}`);
  }
}

function inexactWords({ inexact, way }: Form): string[] {
  switch (inexact) {
    case "before":
    case "after":
      return [`--gap=${inexact}`];
    case "any":
      return ["--allow-inexact"];
    case "nearest":
      return way === "beside" || way === "restore" ? ["--nearest"] : [];
    case "":
      return [];
  }
}

/** An instant by itself, so that the words mean the same whenever they are read; or before a point. */
function instantWord(text: string, now: number): string | { wrong: string } {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.startsWith("before:")) return trimmed;
  try {
    return formatInstant(parseInstant(trimmed, now));
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

/** A word as a POSIX shell takes it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Where a command of the command line finds things: what this page does not know is a word in capitals. */
export interface Whereabouts {
  repo?: string | undefined;
}

/**
 * A request as a command that somebody with a shell can give.
 * @param more options of the command itself, such as --dry-run
 */
export function commandText(
  { command, args }: Request,
  { repo = "REPO" }: Whereabouts = {},
  more: readonly string[] = [],
): string {
  const own = args.filter((word) => !word.startsWith("--target="));
  const named = args.find((word) => word.startsWith("--target="));
  // A drill without a target starts a server of its own.
  const isAlone = command === "drill" && named === undefined;
  const target = named === undefined || named === "--target=live" ? "URL" : urlOf(named);
  const to = isAlone ? [] : [`--target=${target}`];
  return ["thinkback", command, ...own, ...more, `--repo=${repo}`, ...to].map(shellWord).join(" ");
}

const urlOf = (named: string) => `URL_OF_${named.slice("--target=".length).toUpperCase()}`;
