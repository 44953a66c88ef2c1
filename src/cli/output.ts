import { EventEmitter, once } from "node:events";
import Table from "cli-table3";
import { withoutSecrets } from "../configuration/addresses.js";
import { counted, formatCount } from "../count-text.js";
import { exitStatus, failedAfter, messageOf, ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Output {
  json: boolean;
  /** A result for people. Not printed with --json. */
  line(text: string | Buffer): void;
  /** The one result of the command, for programs. Printed with --json only. */
  result(value: object): void;
  /** Like `result`, but given as JSON text. */
  resultText(json: string): void;
  /** Like `resultText`, but given in parts: no more than some of it is in memory. */
  resultParts(parts: AsyncIterable<string>): Promise<void>;
  /** Something that the operator should know, but that is not part of the result. Goes to stderr. */
  note(text: string): void;
  /** The text as it stands out on a terminal; unchanged where the result does not go to one. */
  paint(colour: Colour, text: string): string;
}

const colours = { red: 31, green: 32, yellow: 33, blue: 34, dim: 2 } as const;
export type Colour = keyof typeof colours;

/** Where a process writes. */
export interface Streams {
  stdout: { write(text: string | Uint8Array): unknown; isTTY?: boolean };
  stderr: { write(text: string): unknown };
}

export function terminalOutput(json: boolean, { stdout, stderr }: Streams = process): Output {
  // https://no-color.org
  const isPainted = stdout.isTTY === true && !process.env["NO_COLOR"];
  const resultText = (text: string) => {
    if (json) stdout.write(`${text}\n`);
  };
  return {
    json,
    line: (text) => {
      if (!json) stdout.write(Buffer.concat([Buffer.from(text), newline]));
    },
    result: (value) => resultText(JSON.stringify(value)),
    resultText,
    resultParts: async (parts) => {
      if (json) await writeParts(parts, stdout);
    },
    note: (text) => void stderr.write(`${text}\n`),
    paint: (colour, text) => (isPainted ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text),
  };
}

const newline = Buffer.from("\n");

/** So many characters are written at once, about. */
const writtenMin = 65_536;

async function writeParts(parts: AsyncIterable<string>, stdout: Streams["stdout"]): Promise<void> {
  let some = "";
  for await (const part of parts) {
    some += part;
    if (some.length < writtenMin) continue;
    const isFull = stdout.write(some) === false;
    some = "";
    if (isFull && stdout instanceof EventEmitter) await once(stdout, "drain");
  }
  stdout.write(`${some}\n`);
}

/** Printed while a command waits for the capture to prove an instant. */
export const waitingText = (ms: number) =>
  `thinkback: that instant is not proven yet; waiting up to ${Math.round(ms / 1000)} s for the proof`;

/** A table without lines: columns padded with blanks, numbers to the right. */
export function formatTable(head: string[], rows: (string | number)[][]): string {
  const none = "";
  const table = new Table({
    head,
    colAligns: head.map((_, i) =>
      rows.every((row) => typeof row[i] === "number") ? "right" : "left",
    ),
    chars: {
      top: none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      bottom: none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      left: none,
      "left-mid": none,
      mid: none,
      "mid-mid": none,
      right: none,
      "right-mid": none,
      middle: "  ",
    },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  table.push(
    ...rows.map((row) => row.map((cell) => (typeof cell === "number" ? formatCount(cell) : cell))),
  );
  return table.toString().replace(/ +$/gm, "");
}

/** A text as one word of a shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

export { counted, formatCount };

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Groups of things with the same key; the groups are in the order of their first things. */
export function groupedBy<T>(all: Iterable<T>, keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

const namesMax = 3;

/** The first few names, and how many more there are. */
export function formatNames(names: string[]): string {
  const more = names.length - namesMax;
  // If only one name is left, it is printed: it is hardly longer than "and 1 more".
  if (more <= 1) return names.join(", ");
  return `${names.slice(0, namesMax).join(", ")} and ${formatCount(more)} more`;
}

export function formatOptionalInstant(instant: Instant | undefined): string {
  return instant === undefined ? "-" : formatInstant(instant);
}

/** The same for programs. */
export function isoOrNull(instant: Instant | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}

/** Explains a system error of a file that is not a stored object, such as a scratch file or a pipe. */
function operatorError(error: unknown): unknown {
  const { code, path = "a file" } = (error ?? {}) as NodeJS.ErrnoException;
  if (error instanceof ThinkbackError || !(error instanceof Error)) return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new ThinkbackError("full", `no space left on the disk of ${path}: ${error.message}`, {
      hint: "make room there; scratch files are written to the directory that TMPDIR names",
    });
  }
  if (code === "EROFS" || code === "EACCES") {
    return new ThinkbackError("repository", `no permission for ${path}: ${error.message}`, {
      hint: "let this user write there; scratch files are written to the directory that TMPDIR names",
    });
  }
  return error;
}

export interface ErrorResult {
  code: string;
  message: string;
  hint?: string;
  /** What clearing away after it has failed with. */
  also?: string[];
}

/** What a program is told of an error: its code, message and hint, without passwords. */
export function errorResult(thrown: unknown): ErrorResult {
  const error = operatorError(thrown);
  const { code, hint } = error instanceof ThinkbackError ? error : { code: "internal", hint: "" };
  // A value in the wrong place, such as an address in place of a time, is repeated by the error.
  const message = withoutSecrets(messageOf(error));
  const also = failedAfter(thrown).map((one) => withoutSecrets(messageOf(one)));
  return {
    code,
    message,
    ...(hint ? { hint: withoutSecrets(hint) } : {}),
    ...(also.length > 0 ? { also } : {}),
  };
}

/** Prints an error as an operator should see it and returns the exit status. */
export function reportError(thrown: unknown, json: boolean, { stderr }: Streams): number {
  const error = operatorError(thrown);
  const code = error instanceof ThinkbackError ? error.code : "internal";
  const status = exitStatus[code];
  const report = errorResult(thrown);
  if (json) {
    stderr.write(`${JSON.stringify({ error: report })}\n`);
  } else {
    stderr.write(`thinkback: ${report.message}\n`);
    if (report.hint) stderr.write(`  → ${report.hint}\n`);
    for (const one of report.also ?? []) stderr.write(`thinkback: and after that: ${one}\n`);
    if (code === "internal" && error instanceof Error)
      stderr.write(`${withoutSecrets(String(error.stack))}\n`);
  }
  return status;
}
