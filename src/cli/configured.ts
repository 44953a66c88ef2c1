/**
 * Completes the arguments of a command by what the environment and the configuration file say, before the command
 * begins.
 */
import type { Command } from "commander";
import { hasPassword } from "../configuration/addresses.js";
import { type ConfigurationFile, readConfiguration } from "../configuration/file.js";
import {
  attributeOf,
  isSecret,
  mayHoldPassword,
  type OptionRow,
  takes,
} from "../configuration/option.js";
import { options } from "../configuration/options.js";
import { readableSecrets } from "../configuration/secret-file.js";
import {
  type Environment,
  isSet,
  refuseErrors,
  type Settings,
  settingsOf,
  textOf,
  type Value,
} from "../configuration/settings.js";
import { ThinkbackError } from "../errors.js";
import { rowsOf } from "./program-options.js";

/** What a command line is given in: variables, and the directory that paths begin from. */
export interface Surroundings {
  environment: Environment;
  directory: string;
}

/** What the commands find of it in their arguments, beside their own options. */
export interface Configured {
  /** Path of the configuration file, if there is one. */
  config?: string;
  /** What the operator should know before the command begins. */
  warnings: string[];
}

/** The configuration file that the command line or the environment names, or that lies in one of the usual places. */
export function fileFor(
  command: Command,
  { environment, directory }: Surroundings,
): Promise<ConfigurationFile | undefined> {
  const given: unknown = command.getOptionValue("config");
  const named = typeof given === "string" ? given : environment["THINKBACK_CONFIG"]?.trim();
  return readConfiguration(named || undefined, directory);
}

/**
 * Puts the values that count into the arguments of the command, and returns where they come from.
 * @throws {ThinkbackError} `usage` if the file or a variable has an error
 */
export async function configure(command: Command, surroundings: Surroundings): Promise<Settings> {
  const file = await fileFor(command, surroundings);
  refuseErrors(file?.findings ?? []);
  const rows = rowsOf(command);
  const settings = settingsOf(rows, givenTo(command, rows), surroundings.environment, file);
  refuseErrors(settings.findings);
  for (const [attribute, { value, origin }] of settings.byAttribute) {
    if (origin === "environment" || origin === "file") command.setOptionValue(attribute, value);
  }
  if (file) command.setOptionValue("config", file.path);
  refuseNone(rows, settings);
  const warnings = [
    ...(file?.findings ?? []).map((one) => `${textOf(one)}; ${one.hint}`),
    ...visiblePasswords(settings),
    ...readableSecrets(settings.byAttribute.values()),
  ];
  command.setOptionValue("warnings", warnings);
  return settings;
}

/** True if this process's environment or its configuration file names a target for commands that are given none. */
export async function namesTarget({ config }: Pick<Configured, "config">): Promise<boolean> {
  const file = config === undefined ? undefined : await readConfiguration(config, process.cwd());
  const rows = options.filter((row) => row.oneOf === "target" && takes("diff", row));
  const { byAttribute } = settingsOf(rows, new Map(), process.env, file);
  return [...byAttribute.values()].some(isSet);
}

/** The values of the command line. */
function givenTo(command: Command, rows: OptionRow[]): Map<string, Value> {
  const attributes = rows.filter(({ flag }) => flag !== undefined).map(attributeOf);
  const given = attributes.filter((name) => command.getOptionValueSource(name) === "cli");
  return new Map(given.map((name) => [name, command.getOptionValue(name) as Value]));
}

/** Commander cannot ask for the repository: it does not know of variables and files. */
function refuseNone(rows: OptionRow[], { byAttribute }: Settings): void {
  const isWanted = rows.some((row) => attributeOf(row) === "repo" && !row.optional);
  if (!isWanted || isSet(byAttribute.get("repo")!)) return;
  throw new ThinkbackError("usage", "no repository is given", {
    hint: "give --repo <directory>, or set THINKBACK_REPO, or repo in the configuration file",
  });
}

/** Other users see command lines, until the process has changed its own. */
function visiblePasswords({ byAttribute }: Settings): string[] {
  const visible = [...byAttribute.values()].filter(
    ({ row, value, origin }) =>
      origin === "command line" &&
      (isSecret(row) ||
        (mayHoldPassword(row) &&
          [value].flat().some((url) => typeof url === "string" && hasPassword(url)))),
  );
  return visible.map(({ row }) => {
    const { variable, flag } = row;
    const option = nameOfFlag(flag!);
    const what = isSecret(row) ? "is a secret" : "holds a password";
    const alone = row.key!.startsWith("drill.")
      ? "THINKBACK_TARGET_PASSWORD, "
      : `--password-file, ${variable}_PASSWORD, `;
    const ways = `${row.type === "address" ? alone : ""}${option}-file or ${variable}`;
    return `${option} ${what}. Other users of this machine can see it (ps) while the command starts, and the shell may keep it; give it by ${ways}`;
  });
}

const nameOfFlag = (flag: string) => flag.split(" ", 1)[0]!;

/**
 * Where the values come from that an error of usage names, so that nobody looks for them on the command line; "" if
 * they stand there.
 */
export function originText(message: string, settings: Settings | undefined): string {
  const named = [...(settings?.byAttribute.values() ?? [])].filter(
    ({ row, row: { flag }, value, origin }) =>
      (origin === "environment" || origin === "file") &&
      flag !== undefined &&
      (new RegExp(`${nameOfFlag(flag)}(?![\\w-])`).test(message) || isFileIn(message, row, value)),
  );
  const texts = named.map(({ row, where }) => `${nameOfFlag(row.flag!)} comes from ${where}`);
  return texts.length > 0 ? ` (${texts.join("; ")})` : "";
}

/** True for a key file that the message names by its path. */
function isFileIn(message: string, row: OptionRow, value: Value): boolean {
  const paths = row.isSecretFile && row.list ? (value as string[]) : [];
  return paths.some((path) => message.includes(`the identity file ${path} `));
}
