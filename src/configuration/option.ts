/** What there is to say about an option: the form of a row of the table in options.ts. */

/** What a value is, which decides how it is read and checked. */
export type OptionType =
  | "text"
  /** A directory or a file. */
  | "path"
  /** Where a repository lies. */
  | "location"
  /** The address of one or several RethinkDB servers. It may hold a password. */
  | "address"
  /** The address of another server, which may hold a password too. */
  | "url"
  /** A password. */
  | "password"
  /** A URL of which all is a secret: whoever knows it may use it. */
  | "secret url"
  | "pattern"
  | "duration"
  | "size"
  | "count"
  | "price"
  | "cron"
  | "tiers"
  /** True or false. On the command line it has no value. */
  | "switch";

/**
 * Options that say the same in different ways, such as an address and a file that holds it. Only one of them may be
 * given in one place, and what a stronger place gives rules out what a weaker one gives.
 */
export type OneOf =
  | "source"
  | "target"
  | "drill target"
  | "Redis"
  | "heartbeat"
  | "alarm webhook"
  | "password of the source"
  | "password of the target";

export interface OptionRow {
  /** As commander reads it, such as `--tick <duration>`; absent if it must not stand on a command line. */
  flag?: string;
  /** Its place in the file, such as `capture.tick`; absent for what is decided each time a command is given. */
  key?: string;
  /** The environment variable. Each row with a key has one. */
  variable?: string;
  type: OptionType;
  /** True if it may be given several times, and is a list in the file. */
  list?: true;
  /** Text that takes several words after one flag. */
  variadic?: true;
  default?: string;
  /** The only values. */
  choices?: readonly string[];
  /** The full names of the commands that take it; "all" for every command. */
  commands: readonly string[] | "all";
  description: string;
  /** The command cannot begin without it. */
  mandatory?: true;
  oneOf?: OneOf;
  /** Set for a repository that a command can do without. */
  optional?: true;
  /** It names a file that holds a secret. */
  isSecretFile?: true;
}

/** The long form of a row's flag, such as `--no-fold`; undefined if it has none. */
export function longOf({ flag }: Pick<OptionRow, "flag">): string | undefined {
  return flag?.split(" ", 1)[0];
}

/** True for a switch that is on unless it is turned off: `--no-fold`. */
export function isNegated(row: Pick<OptionRow, "flag">): boolean {
  return longOf(row)?.startsWith("--no-") === true;
}

/** The name of the value in the arguments of a command: `foldEvery` of `--fold-every`, `fold` of `--no-fold`. */
export function attributeOf(row: OptionRow): string {
  const name = longOf(row)?.replace(/^--(no-)?/, "") ?? row.key!.replaceAll(/[._]/g, "-");
  return name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** True if the command of this full name, such as `pin add`, takes the option. */
export function takes(command: string, { commands }: OptionRow): boolean {
  return commands === "all" || commands.includes(command);
}

/** True if a value may have a password in it, beside what else it says. */
export function mayHoldPassword({ type }: OptionRow): boolean {
  return type === "address" || type === "url";
}

/** True if all of a value is a secret. */
export function isSecret({ type }: OptionRow): boolean {
  return type === "password" || type === "secret url";
}

/** How an operator calls the option, wherever it is given. */
export function nameOf(row: OptionRow): string {
  return longOf(row) ?? row.key!;
}
