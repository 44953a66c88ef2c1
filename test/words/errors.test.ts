/** A failure, and what fails when it is cleared away after. */
import { expect, test } from "vitest";
import { reportError } from "../../src/cli/output.js";
import { clearAfter, cleared, failedAfter, ThinkbackError } from "../../src/errors.js";

const failing = (text: string) => () => Promise.reject(new Error(text));

function reported(error: unknown, json: boolean) {
  let text = "";
  const stderr = { write: (more: string) => (text += more) };
  const status = reportError(error, json, { stdout: stderr, stderr } as never);
  return { status, text };
}

test("what clearing away fails with does not take the failure's place, and the rest is cleared", async () => {
  const failure = new ThinkbackError("conflict", "the first");
  const done: string[] = [];
  const last = async () => done.push("last");
  await clearAfter(failure, failing("the second"), failing("the third"), last);
  expect(done).toEqual(["last"]);
  expect(failedAfter(failure).map(String)).toEqual(["Error: the second", "Error: the third"]);
});

test("both are told, for people and for programs, also if the failure is the cause of another", async () => {
  const failure = new Error("the first");
  const work = cleared(failing("the work"), failing("the clearing of rethinkdb://me:secret@host"));
  const thrown = (await work.catch((error: unknown) => error)) as Error;
  expect(thrown.message).toBe("the work");
  const wrapped = new ThinkbackError("incomplete", "stopped", { hint: "again", cause: thrown });
  const { status, text } = reported(wrapped, false);
  expect(status).toBe(12);
  expect(text).toMatch(/^thinkback: stopped\n {2}→ again\nthinkback: and after that: the clearing/);
  expect(text).not.toContain("secret");
  const { error } = JSON.parse(reported(wrapped, true).text) as { error: { also?: string[] } };
  expect(error.also).toHaveLength(1);
  expect(failedAfter(failure)).toEqual([]);
  expect(JSON.parse(reported(failure, true).text)).toEqual({
    error: { code: "internal", message: "the first" },
  });
});

test("what is cleared away after work that is done may fail", async () => {
  const done = async () => 7;
  expect(await cleared(done, done)).toBe(7);
  await expect(cleared(done, failing("the clearing"))).rejects.toThrow("the clearing");
});
