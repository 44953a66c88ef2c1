/** Nothing on a command line is silently ignored: an option that would have no effect is refused. */
import type { Command } from "commander";
import { ThinkbackError } from "../errors.js";

/** Options that have no effect without another one, by command. */
const needed: Record<string, [option: string, needs: string][]> = {
  run: [
    ["--tick-max", "--auto"],
    ["--spool-limit", "--spool"],
    ["--drill-target", "--drill-at"],
  ],
};

const maintenance = ["--keep", "--fold-every", "--fold-at", "--restore-within", "--grace"];
/** Options that have no effect beside another one, by command. */
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

/** Makes a command refuse empty words, and options that are empty, given twice, or without effect beside the others. */
export function beStrict(command: Command): void {
  const given = new Set<string>();
  for (const option of command.options) {
    command.on(`option:${option.name()}`, (value: string | undefined) => {
      const { long } = option;
      if (value === "") refuse(`${long} is empty`, "give it a value, or leave it out");
      // A repeatable option may be given again with another value.
      const isRepeatable = option.parseArg !== undefined;
      const entry = isRepeatable ? `${long} ${value}` : long!;
      if (given.has(entry) && !option.variadic) refuse(`${entry} is given twice`, "give it once");
      given.add(long!).add(entry);
    });
  }
  command.hook("preAction", (_, action) => {
    const name = action.name();
    for (const [i, word] of action.args.entries()) {
      const argument = action.registeredArguments[i];
      if (word === "" && argument) refuse(`<${argument.name()}> is empty`, emptyHint);
    }
    for (const [option, needs] of needed[name] ?? []) {
      if (given.has(option) && !given.has(needs)) {
        refuse(
          `${option} has no effect without ${needs}`,
          `give ${needs} too, or leave ${option} out`,
        );
      }
    }
    for (const [option, other] of beside[name] ?? []) {
      if (given.has(option) && given.has(other)) {
        refuse(`${option} has no effect beside ${other}`, "leave one of the two out");
      }
    }
  });
}

const emptyHint = "give it a value; a key that is the empty string is given as '\"\"'";

function refuse(message: string, hint: string): never {
  throw new ThinkbackError("usage", message, { hint });
}
