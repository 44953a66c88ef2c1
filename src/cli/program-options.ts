/** Gives each command the options that the table of options has for it. */
import { type Command, Option } from "commander";
import { isNegated, type OptionRow, takes } from "../configuration/option.js";
import { options } from "../configuration/options.js";

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
}

function optionOf(row: OptionRow): Option {
  const option = new Option(row.flag!, row.description + (row.list ? " (repeatable)" : ""));
  if (row.list) option.argParser(collect).default([]);
  else if (row.default !== undefined && !isNegated(row)) option.default(row.default);
  if (row.choices) option.choices(row.choices);
  return option.makeOptionMandatory(row.mandatory === true);
}
