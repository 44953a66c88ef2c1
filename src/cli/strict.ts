/** Nothing on a command line is passed over: an option that could not count is refused. */
import type { Command } from "commander";
import { ThinkbackError } from "../errors.js";

/** Options that mean nothing without another one. */
const wanted: Record<string, [option: string, wants: string][]> = {
  run: [
    ["--tick-max", "--auto"],
    ["--spool-limit", "--spool"],
    ["--drill-target", "--drill-at"],
  ],
};

/** Options that mean nothing beside another one. */
const maintenance = ["--keep", "--fold-every", "--fold-at", "--restore-within", "--grace"];
const beside: Record<string, [option: string, other: string][]> = {
  run: [
    ...["--once", "--no-fold"].flatMap((other) =>
      [...maintenance, "--no-delete", "--maintain-every"].map((option): [string, string] => [
        option,
        other,
      ]),
    ),
    ["--drill-at", "--once"],
    ["--grace", "--no-delete"],
  ],
  maintain: [
    ["--grace", "--no-delete"],
    ["--auto", "--restore-within"],
  ],
  restore: [
    ["--without-access", "--table"],
    ["--without-access", "--db"],
  ],
  expire: [["--grace", "--no-delete"]],
  catalog: [["--at", "--diff"]],
};

/** Makes a command refuse words and options that are empty, given twice, or of no use beside the others. */
export function beStrict(command: Command): void {
  const given = new Set<string>();
  for (const option of command.options) {
    command.on(`option:${option.name()}`, (value: string | undefined) => {
      const { long } = option;
      if (value === "") refuse(`${long} is empty`, "give it a value, or leave it out");
      // What is repeatable may be given with another value.
      const said = Array.isArray(option.defaultValue) ? `${long} ${value}` : long!;
      if (given.has(said) && !option.variadic) refuse(`${said} is given twice`, "give it once");
      given.add(long!).add(said);
    });
  }
  command.hook("preAction", (_, action) => {
    const name = action.name();
    for (const [i, word] of action.args.entries()) {
      const argument = action.registeredArguments[i];
      if (word === "" && argument) refuse(`<${argument.name()}> is empty`, emptyHint);
    }
    for (const [option, wants] of wanted[name] ?? []) {
      if (given.has(option) && !given.has(wants)) {
        refuse(`${option} means nothing without ${wants}`, `give ${wants} too, or leave it out`);
      }
    }
    for (const [option, other] of beside[name] ?? []) {
      if (given.has(option) && given.has(other)) {
        refuse(`${option} means nothing beside ${other}`, "leave one of the two out");
      }
    }
  });
}

const emptyHint = "give it a value; a key that is the empty string is given as '\"\"'";

function refuse(message: string, hint: string): never {
  throw new ThinkbackError("usage", message, { hint });
}
