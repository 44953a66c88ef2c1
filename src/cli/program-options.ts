/** Gives each command the options that the table of options has for it. */
import { type Command, Option } from "commander";
import { isNegated, type OptionRow, takes } from "../configuration/option.js";
import { options } from "../configuration/options.js";
import { timeForms } from "../instant.js";
import { pointForms } from "./instant-of.js";

const collect = (value: string, before: string[]) => [...before, value];

/** The name by which the table knows a command: `run`, or `pin add`. */
export function fullName(command: Command): string {
  const names = [];
  for (let of: Command | null = command; of?.parent; of = of.parent) names.unshift(of.name());
  return names.join(" ");
}

/** The rows of the table that the command takes. */
export function rowsOf(command: Command): OptionRow[] {
  const name = fullName(command);
  return options.filter((row) => takes(name, row));
}

export function addOptions(command: Command): void {
  for (const row of rowsOf(command)) if (row.flag !== undefined) command.addOption(optionOf(row));
  const timed = rowsOf(command).filter(({ flag }) => flag?.endsWith(" <time>") && flag !== ofStore);
  if (timed.length === 0) return;
  const points = withoutPoints.includes(fullName(command)) ? "" : `, ${pointForms}`;
  command.addHelpText("after", `\nA time is ${timeForms}${points}.`);
}

/** It is of every command that reads; what it takes is said with it. */
const ofStore = "--store-as-of <time>";
/** Commands that take times, but no points: what they do is not about the history that is kept. */
const withoutPoints = ["mark", "acknowledge", "fold", "import"];

function optionOf(row: OptionRow): Option {
  const option = new Option(row.flag!, row.description + (row.list ? " (repeatable)" : ""));
  if (row.list) option.argParser(collect).default([]);
  else if (row.default !== undefined && !isNegated(row)) option.default(row.default);
  if (row.choices) option.choices(row.choices);
  return option.makeOptionMandatory(row.mandatory === true);
}
