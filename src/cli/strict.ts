/** Nothing on a command line is silently ignored: an option that would have no effect is refused. */
import type { Command } from "commander";
import { attributeOf, longOf } from "../configuration/option.js";
import { isSet, type Setting, type Settings } from "../configuration/settings.js";
import { ThinkbackError } from "../errors.js";

/** Options that have no effect without another one, by command. */
const needed: Record<string, [option: string, needs: string][]> = {
  run: [
    ["--tick-max", "--auto"],
    ["--spool-limit", "--spool"],
    ["--drill-target", "--drill-at"],
    ["--drill-target-file", "--drill-at"],
    ["--recovery-target", "--recoveries"],
    ["--expect", "--drill-at"],
    ...["--api-host", "--api-cert", "--api-key", "--api-insecure"].map(
      (option): [string, string] => [option, "--api"],
    ),
  ],
  diff: [
    ["--target", "--live"],
    ["--target-file", "--live"],
    ["--password-file", "--live"],
  ],
  restore: [["--allow-unused-rules", "--mask"]],
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
    ["--api", "--once"],
    ["--standby", "--once"],
    ["--redis", "--once"],
    ["--redis-file", "--once"],
    ["--recoveries", "--once"],
    ["--metrics", "--once"],
    ["--heartbeat-url", "--once"],
    ["--heartbeat-url-file", "--once"],
    ["--grace", "--no-delete"],
  ],
  maintain: [
    ["--grace", "--no-delete"],
    ["--auto", "--restore-within"],
  ],
  restore: [
    ["--without-access", "--table"],
    ["--without-access", "--db"],
    ["--without-access", "--beside"],
    ...["--key", "--between", "--where", "--tenant"].map((other): [string, string] => [
      "--without-access",
      other,
    ]),
    ["--rename", "--beside"],
  ],
  promote: [
    ["--from", "--back"],
    ["--force", "--back"],
  ],
  expire: [["--grace", "--no-delete"]],
  catalog: [["--at", "--diff"]],
  plan: [["--profile", "--prices"]],
  // As JSON each document that is printed has its fields.
  diff: [["--fields", "--json"]],
};

/** Makes a command refuse empty words, and options that are empty or given twice. */
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
      given.add(entry);
    });
  }
  command.hook("preAction", (_, action) => {
    for (const [i, word] of action.args.entries()) {
      const argument = action.registeredArguments[i];
      if (word === "" && argument) refuse(`<${argument.name()}> is empty`, emptyHint);
    }
  });
}

/**
 * Refuses an option of the command line that is without effect beside the others, wherever these were given. What the
 * environment and the file give serves several commands: what is without effect there is left out.
 */
export function refuseIdle(command: Command, { byAttribute }: Settings): void {
  const name = command.name();
  const byLong = new Map([...byAttribute.values()].map((one) => [longOf(one.row), one]));
  for (const [option, needs] of needed[name] ?? []) {
    const [of, other] = [byLong.get(option)!, byLong.get(needs)!];
    if (!isSet(of) || of.origin !== "command line" || isSet(other)) continue;
    refuse(`${option} has no effect without ${needs}`, `give ${needs} too, or leave ${option} out`);
  }
  for (const [option, others] of beside[name] ?? []) {
    const [of, other] = [byLong.get(option)!, byLong.get(others)];
    // The program itself takes --json, wherever it stands.
    const isJson =
      others === "--json" && command.optsWithGlobals<{ json?: boolean }>().json === true;
    if (!isSet(of) || of.origin === "default" || !(isJson || (other && isSet(other)))) continue;
    if (of.origin === "command line") {
      const isHere = isJson || other?.origin === "command line";
      const from = isHere ? "" : `, which ${other!.where} gives`;
      refuse(`${option} has no effect beside ${others}${from}`, "leave one of the two out");
    }
    leaveOut(command, of);
  }
}

function leaveOut(command: Command, { row }: Setting): void {
  const isNegated = row.default === "true";
  command.setOptionValue(attributeOf(row), isNegated ? true : row.default);
}

const emptyHint = "give it a value; a key that is the empty string is given as '\"\"'";

function refuse(message: string, hint: string): never {
  throw new ThinkbackError("usage", message, { hint });
}
