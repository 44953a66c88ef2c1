import { writeFile } from "node:fs/promises";
import { messageOf, ThinkbackError } from "../errors.js";
import { errorResult, type Output } from "./output.js";

/**
 * Runs a command and writes its result into a file, also if it fails: with `state`, which is "running", "done" or
 * "failed", and `error`. A command that was killed leaves "running".
 */
export async function reported(
  file: string | undefined,
  output: Output,
  command: (output: Output) => Promise<void>,
): Promise<void> {
  if (file === undefined) return command(output);
  await write(file, { state: "running", error: null });
  let result: object = {};
  const noting = {
    ...output,
    result: (value: object) => {
      result = value;
      output.result(value);
    },
  };
  try {
    await command(noting);
  } catch (error) {
    await write(file, { state: "failed", error: errorResult(error), ...result });
    throw error;
  }
  await write(file, { state: "done", error: null, ...result });
}

async function write(file: string, report: object): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new ThinkbackError("usage", `--report ${file} cannot be written: ${messageOf(error)}`, {
      hint: "give the path of a file in a directory where this user may write",
    });
  }
}
