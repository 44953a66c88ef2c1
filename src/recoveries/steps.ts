/** How each command is planned, and then carried out exactly as planned. */
import { ThinkbackError } from "../errors.js";
import { isGiven } from "./allowed.js";
import type { RecoveryCommand } from "./events.js";

/** Commands whose plan is a file: every change that is to be made. */
export const hasPlanFile = (command: RecoveryCommand) => command === "rewind" || command === "undo";

/** A drill is nothing that could be shown before. */
export const hasPlan = (command: RecoveryCommand) => command !== "drill";

const withoutTarget = (args: readonly string[]) =>
  args.filter((word) => !word.startsWith("--target="));

/** The words of the command that makes the plan; undefined for one that has none. @param file where a plan file goes */
export function planningWords(
  command: RecoveryCommand,
  args: readonly string[],
  file: string,
): string[] | undefined {
  if (!hasPlan(command)) return undefined;
  const more = hasPlanFile(command) ? [`--plan=${file}`] : [];
  return [command, ...withoutTarget(args), "--dry-run", ...more];
}

/** Options that say how fast, and how long there is a way back; a plan file says everything else. */
const beside = ["--max-rate=", "--gentle", "--undoable-for="];

/**
 * The arguments that do what the plan says, whenever and however often they are given: times and names that depend on
 * when they are read are replaced by what they meant.
 * @param summary the result of the dry run
 */
export function exactArgs(
  command: RecoveryCommand,
  args: readonly string[],
  summary: object,
): string[] {
  const rest = withoutTarget(args);
  const found = summary as Record<string, unknown>;
  const textOf = (name: string): string => {
    const value = found[name];
    if (typeof value === "string") return value;
    throw new ThinkbackError("internal", `the plan of ${command} does not say ${name}`);
  };
  switch (command) {
    case "restore":
      return [...rest.filter((word) => !word.startsWith("--at=")), `--at=${textOf("at")}`];
    case "rewind":
    case "undo":
      return rest.filter((word) => beside.some((option) => word.startsWith(option)));
    case "promote": {
      const force = isGiven(rest, "--force") ? ["--force"] : [];
      const [live, promoted] = [textOf("live"), textOf("promoted")];
      const isBack = isGiven(rest, "--back");
      return [...(isBack ? [promoted, "--back"] : [live, `--from=${promoted}`]), ...force];
    }
    case "drill":
      return rest;
  }
}

/**
 * What a command has printed, as it is kept for whoever reads it elsewhere: without the file that a plan lay in, which
 * was this machine's and is gone, and with a way back that names neither this machine's files nor its servers.
 */
export function keptOf(command: RecoveryCommand, printed: object): object {
  if (!hasPlanFile(command)) return printed;
  const { plan: _, ...kept } = printed as Record<string, unknown>;
  const { operation, wayBack } = kept;
  if (typeof wayBack !== "string" || typeof operation !== "string") return kept;
  return { ...kept, wayBack: `thinkback recoveries request -- undo --operation=${operation}` };
}
