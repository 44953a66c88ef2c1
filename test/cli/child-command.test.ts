/** Commands that a service gives: in processes of their own, with results of bounded size. Needs the built program. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { putMark } from "../../src/repository/records/marks.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository } from "../repository/recording.js";

// Of the built program: a command is a process that runs the file beside it.
const built = new URL("../../dist/cli/child-command.js", import.meta.url).href;
const { commandsOn } = (await import(built)) as typeof import("../../src/cli/child-command.js");

let repo: string;

beforeAll(async () => {
  repo = await mkdtemp(join(tmpdir(), "thinkback-child-"));
  const { store } = await makeRepository(new DirectoryStore(repo));
  await putMark(store, { id: "0123abcd", at: 1, made: 1, text: "x".repeat(200) });
});

afterAll(() => rm(repo, { recursive: true, force: true }));

const signal = new AbortController().signal;

test("what stands behind -- is no option", async () => {
  const made = await commandsOn({ repo }, []).run(["mark", "add", "--", "--at"], { signal });
  expect(made).toMatchObject({ text: "--at" });
});

test("a result that is too large stops the command", async () => {
  const list = ["mark", "list"];
  const whole = await commandsOn({ repo }, []).print(list, { signal, printedBytesMax: 100_000 });
  expect(JSON.parse(whole.toString())).toMatchObject({ marks: [{ text: "x".repeat(200) }, {}] });
  const cut = commandsOn({ repo }, []).print(list, { signal, printedBytesMax: 100 });
  await expect(cut).rejects.toMatchObject({ code: "full" });
});

test("its own error comes back with its code", async () => {
  const missing = commandsOn({ repo }, []).run(["pin", "remove", "none"], { signal });
  await expect(missing).rejects.toMatchObject({ code: "unknown", message: "there is no pin none" });
});
