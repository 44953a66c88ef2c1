import { randomUUID } from "node:crypto";
import { open, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { messageOf, ThinkbackError } from "../errors.js";
import { errorResult, type Output } from "./output.js";

/**
 * Runs a command and writes its result into a file, also if it fails: with `state`, which is "running", "done" or
 * "failed", and `error`. A command that was killed leaves "running". Whoever reads the file meanwhile finds all of one
 * state. If the command fails, and then the file cannot be written, it is the command's error that is thrown.
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
    const report = { state: "failed", error: errorResult(error), ...result };
    await write(file, report).catch((unwritten: unknown) =>
      output.note(`thinkback: ${messageOf(unwritten)}; it says "running", if it is there`),
    );
    throw error;
  }
  await write(file, { state: "done", error: null, ...result });
}

async function write(file: string, report: object): Promise<void> {
  try {
    await replace(file, `${JSON.stringify(report, null, 2)}\n`);
  } catch (error) {
    throw new ThinkbackError("usage", `--report ${file} cannot be written: ${messageOf(error)}`, {
      hint: "give the path of a file in a directory where this user may write",
    });
  }
}

/** Gives a file this content at once, or leaves it as it was. A symbolic link stays one. */
async function replace(file: string, text: string): Promise<void> {
  const there = await stat(file).catch(ignoreMissing);
  // A device or a pipe is written to; another file in its place would not be one.
  if (there && !there.isFile()) return writeFile(file, text);
  const path = there ? await realpath(file) : file;
  const temporary = join(dirname(path), `.${basename(path)}.part-${randomUUID().slice(0, 8)}`);
  try {
    const opened = await open(temporary, "wx", there?.mode);
    try {
      await opened.writeFile(text);
      await opened.sync();
    } finally {
      await opened.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
  return undefined;
}
