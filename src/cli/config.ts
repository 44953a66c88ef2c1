import type { Command } from "commander";
import { withoutSecrets } from "../configuration/addresses.js";
import type { Finding } from "../configuration/file.js";
import { attributeOf, isSecret, type OptionRow } from "../configuration/option.js";
import { configurable } from "../configuration/options.js";
import { readableSecrets } from "../configuration/secret-file.js";
import {
  refuseErrors,
  type Setting,
  settingsOf,
  textOf,
  unknownVariables,
} from "../configuration/settings.js";
import { ThinkbackError } from "../errors.js";
import { connectionFindings } from "./address-findings.js";
import { fileFor, type Surroundings } from "./configured.js";
import { counted, formatTable, type Output } from "./output.js";

/** The value of each key, and where it comes from. A key of several commands is one. */
function settingsByKey(
  file: Awaited<ReturnType<typeof fileFor>>,
  { environment }: Surroundings,
): { settings: Map<string, Setting>; findings: Finding[] } {
  const rows = new Map<string, OptionRow>();
  for (const row of configurable) {
    // Where some commands take several values and others one, all are shown.
    if (!rows.get(row.key!)?.list) rows.set(row.key!, row);
  }
  const settings = new Map<string, Setting>();
  const findings: Finding[] = [];
  // Attributes are names within one command, such as the two password files.
  for (const some of apart([...rows.values()])) {
    const found = settingsOf(some, new Map(), environment, file);
    findings.push(...found.findings);
    for (const row of some) settings.set(row.key!, found.byAttribute.get(attributeOf(row))!);
  }
  return { settings: new Map([...rows.keys()].map((key) => [key, settings.get(key)!])), findings };
}

/** Rows that have no attribute in common with the others of their group. */
function apart(rows: OptionRow[]): OptionRow[][] {
  const isOfTarget = ({ key }: OptionRow) => key!.startsWith("target.");
  return [rows.filter((row) => !isOfTarget(row)), rows.filter(isOfTarget)];
}

/** Says what is wrong in the configuration file and the environment. Throws, with code "usage", if anything is. */
export async function checkConfigCommand(
  command: Command,
  surroundings: Surroundings,
  output: Output,
): Promise<void> {
  const file = await fileFor(command, surroundings);
  const { settings, findings: ofValues } = settingsByKey(file, surroundings);
  const findings = [
    ...(file?.findings ?? []),
    ...ofValues,
    ...connectionFindings(settings),
    ...readableSecrets(settings.values()).map((message) => ({
      isError: false,
      where: "secrets",
      message,
      hint: "a secret that others can read is none",
    })),
    ...unknownVariables(surroundings.environment),
  ];
  for (const finding of findings) {
    output.line(`${finding.isError ? "error  " : "warning"}  ${textOf(finding)}`);
    output.line(`           → ${finding.hint}`);
  }
  const errors = findings.filter(({ isError }) => isError);
  output.line(
    `${file?.path ?? "no configuration file"}: ${counted(errors.length, "error")}, ${counted(findings.length - errors.length, "warning")}`,
  );
  output.result({ file: file?.path ?? null, valid: errors.length === 0, findings });
  if (errors.length === 0) return;
  throw new ThinkbackError("usage", `the configuration has ${counted(errors.length, "error")}`, {
    hint: "correct what is listed above, and check again",
  });
}

/** Prints the value of each key, and where it comes from. Passwords are not printed. */
export async function showConfigCommand(
  command: Command,
  surroundings: Surroundings,
  output: Output,
): Promise<void> {
  const file = await fileFor(command, surroundings);
  refuseErrors(file?.findings ?? []);
  const { settings, findings } = settingsByKey(file, surroundings);
  refuseErrors(findings);
  const shown = [...settings].map(([key, setting]) => ({
    key,
    value: masked(setting),
    origin: setting.origin,
    where: setting.where,
  }));
  const rows = shown.map(({ key, value, origin, where }) => [
    key,
    [value ?? "-"].flat().map(String).join(" ") || "-",
    origin === "file" ? where.replace(`${key} in `, "") : where,
  ]);
  output.line(formatTable(["key", "value", "from"], rows));
  output.result({ file: file?.path ?? null, settings: shown });
}

/** The value as it may be seen. */
function masked({ row, value }: Setting): string | string[] | boolean | null {
  if (value === undefined) return null;
  if (isSecret(row)) return "***";
  if (Array.isArray(value)) return value.map(withoutSecrets);
  return typeof value === "string" ? withoutSecrets(value) : value;
}
