/**
 * What may be asked for: commands, and of their options those that name neither a path nor a server. A request comes
 * from people who have no account on this machine; what they write must not read or write a file of it.
 */
import { ThinkbackError } from "../errors.js";
import { type RecoveryCommand, recoveryCommands } from "./events.js";

/** The target that is the source itself. */
export const liveTarget = "live";

/** A name that the process knows a target by. */
export const targetName = /^[a-z0-9][a-z0-9-]{0,62}$/;

type OptionKind = "switch" | "value";

const selecting = { "--key": "value", "--between": "value", "--where": "value" } as const;
const pacing = { "--max-rate": "value", "--gentle": "switch" } as const;
const inexact = { "--gap": "value", "--allow-inexact": "switch" } as const;
const choosing = { "--table": "value", "--db": "value" } as const;
const onTarget = { "--target": "value" } as const;
const changing = {
  ...choosing,
  ...selecting,
  ...pacing,
  ...inexact,
  ...onTarget,
  "--keep-added": "switch",
  "--undoable-for": "value",
} as const;

interface Allowed {
  /** How many words, at least and at most: tables. */
  words: readonly [number, number];
  options: Readonly<Record<string, OptionKind>>;
}

const allowed: Record<RecoveryCommand, Allowed> = {
  restore: {
    words: [0, 0],
    options: {
      ...choosing,
      ...selecting,
      ...pacing,
      ...inexact,
      ...onTarget,
      "--at": "value",
      "--rename": "value",
      "--nearest": "switch",
      "--without-access": "switch",
      "--beside": "switch",
    },
  },
  rewind: { words: [0, 1000], options: { ...changing, "--at": "value" } },
  undo: {
    words: [0, 1000],
    options: {
      ...changing,
      "--from": "value",
      "--to": "value",
      "--operation": "value",
      "--on-conflict": "value",
      "--field": "value",
      "--ignore-field": "value",
    },
  },
  promote: {
    words: [1, 1],
    options: { ...onTarget, "--from": "value", "--back": "switch", "--force": "switch" },
  },
  drill: {
    words: [0, 0],
    options: { ...choosing, ...onTarget, "--at": "value", "--latest": "switch" },
  },
};

/** The options that may be asked for with a command. */
export const optionsOf = (command: RecoveryCommand): string[] =>
  Object.keys(allowed[command].options);

/** A request in the form that is stored: each option is one word, with its value: `--at=10:04`. */
export interface CheckedRequest {
  command: RecoveryCommand;
  args: string[];
}

/** Throws, with code "usage", for what may not be asked for. */
export function checkRequest(command: string, args: readonly string[]): CheckedRequest {
  const known = recoveryCommands.find((one) => one === command);
  if (known === undefined) {
    throw new ThinkbackError("usage", `"${command}" cannot be requested`, {
      hint: `a request is one of ${recoveryCommands.join(", ")}`,
    });
  }
  const { words, options } = allowed[known];
  const tables: string[] = [];
  const given: string[] = [];
  const rest = args.values();
  for (const word of rest) {
    if (!word.startsWith("-")) tables.push(checkedTable(word));
    else given.push(checkedOption(known, word, options, rest));
  }
  const [least, most] = words;
  if (tables.length < least || tables.length > most) {
    const wanted = most === 0 ? "takes no words, only options" : "wants one table";
    throw new ThinkbackError("usage", `${known} ${wanted}`, { hint: wordsHint(known) });
  }
  return { command: known, args: [...tables, ...given] };
}

const wordsHint = (command: RecoveryCommand) =>
  `see \`thinkback ${command} --help\`, and docs/recoveries.md for what can be requested`;

function checkedTable(word: string): string {
  if (/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(word)) return word;
  throw new ThinkbackError("usage", `"${word}" is not a table`, {
    hint: "give it as database.table",
  });
}

function checkedOption(
  command: RecoveryCommand,
  word: string,
  options: Allowed["options"],
  rest: Iterator<string>,
): string {
  const equals = word.indexOf("=");
  const name = equals === -1 ? word : word.slice(0, equals);
  const kind = Object.hasOwn(options, name) ? options[name] : undefined;
  if (kind === undefined) {
    throw new ThinkbackError("usage", `${name} cannot be requested with ${command}`, {
      hint: `what can be: ${Object.keys(options).join(", ")}. Paths, addresses and keys are given to the process that carries it out`,
    });
  }
  if (kind === "switch") {
    if (equals === -1) return name;
    throw new ThinkbackError("usage", `${name} takes no value`, { hint: `give ${name} alone` });
  }
  const value = equals === -1 ? rest.next().value : word.slice(equals + 1);
  if (value === undefined || value === "") {
    throw new ThinkbackError("usage", `${name} has no value`, { hint: `give it as ${name}=…` });
  }
  return `${name}=${checkedValue(name, value)}`;
}

function checkedValue(name: string, value: string): string {
  if (name === "--key" && value.startsWith("@")) {
    throw new ThinkbackError("usage", "--key @file cannot be requested", {
      hint: "give each key by itself, or --where",
    });
  }
  if (name === "--target" && !targetName.test(value)) {
    throw new ThinkbackError("usage", "--target is not the name of a target", {
      hint: `a request names a target that the process knows, or ${liveTarget}: the source itself`,
    });
  }
  return value;
}

/** The value of an option, of a request that is checked; the last one, if it is given several times. */
export function valueOf(args: readonly string[], name: string): string | undefined {
  return args.findLast((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}

export const isGiven = (args: readonly string[], name: string) => args.includes(name);

/** The name of the target; undefined for a drill that starts a server of its own. */
export function targetOf({ command, args }: CheckedRequest): string | undefined {
  return valueOf(args, "--target") ?? (command === "drill" ? undefined : liveTarget);
}
