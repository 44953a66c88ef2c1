import Table from "cli-table3";
import { exitStatus, messageOf, ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Output {
  json: boolean;
  /** A result for people. Not printed with --json. */
  line(text: string | Buffer): void;
  /** The one result of the command, for machines. Printed with --json only. */
  result(value: object): void;
  /** The same, given as JSON text. */
  resultText(json: string): void;
  /** Something to know that is not the result. */
  note(text: string): void;
}

export function terminalOutput(json: boolean): Output {
  const resultText = (text: string) => {
    if (json) process.stdout.write(`${text}\n`);
  };
  return {
    json,
    line: (text) => {
      if (!json) process.stdout.write(Buffer.concat([Buffer.from(text), newline]));
    },
    result: (value) => resultText(JSON.stringify(value)),
    resultText,
    note: (text) => void process.stderr.write(`${text}\n`),
  };
}

const newline = Buffer.from("\n");

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

/** With commas between thousands. Not by locale, whose data take 50 ms to load. */
export function formatCount(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

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

export function formatOptionalInstant(instant: Instant | undefined): string {
  return instant === undefined ? "-" : formatInstant(instant);
}

/** Prints an error as an operator should see it and returns the exit status. */
export function reportError(error: unknown, json: boolean): number {
  const code = error instanceof ThinkbackError ? error.code : "internal";
  const hint = error instanceof ThinkbackError ? error.hint : undefined;
  const status = exitStatus[code];
  if (json) {
    const report = { error: { code, message: messageOf(error), ...(hint ? { hint } : {}) } };
    process.stderr.write(`${JSON.stringify(report)}\n`);
  } else {
    process.stderr.write(`thinkback: ${messageOf(error)}\n`);
    if (hint) process.stderr.write(`  → ${hint}\n`);
    if (code === "internal" && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
  return status;
}
