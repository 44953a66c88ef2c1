import type { Finding } from "../configuration/file.js";
import type { Setting } from "../configuration/settings.js";
import { ThinkbackError } from "../errors.js";
import { type Access, addressesOf, isGiven, warningsOf } from "./connect.js";

/** What is wrong with the addresses and secret files that the configuration names, by the keys of the settings. */
export function connectionFindings(settings: ReadonlyMap<string, Setting>): Finding[] {
  const text = (key: string) => settings.get(key)?.value as string | undefined;
  const urls = (key: string) => [settings.get(key)?.value ?? []].flat() as string[];
  const names = (file: string, passwordFile: string) => ({
    file: settings.get(file)!.where,
    passwordFile: settings.get(passwordFile)!.where,
  });
  const target = { password: text("target.password"), passwordFile: text("target.password_file") };
  const all: [where: string, role: "source" | "target", access: Access][] = [
    [
      "source",
      "source",
      {
        urls: urls("source.url"),
        file: text("source.file"),
        password: text("source.password"),
        passwordFile: text("source.password_file"),
        names: names("source.file", "source.password_file"),
      },
    ],
    [
      "target",
      "target",
      {
        urls: urls("target.url"),
        file: text("target.file"),
        ...target,
        names: names("target.file", "target.password_file"),
      },
    ],
    [
      "drill.target",
      "target",
      {
        urls: urls("drill.target"),
        file: text("drill.target_file"),
        ...target,
        names: names("drill.target_file", "target.password_file"),
      },
    ],
  ];
  return all.filter(([, , access]) => isGiven(access)).flatMap((one) => findingsOf(...one));
}

function findingsOf(where: string, role: "source" | "target", access: Access): Finding[] {
  try {
    addressesOf(access, role);
    return warningsOf(access, role).map((message) => ({
      isError: false,
      where,
      message,
      hint: "`config show` says where the value comes from",
    }));
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    return [{ isError: true, where, message: error.message, hint: error.hint ?? "correct it" }];
  }
}
