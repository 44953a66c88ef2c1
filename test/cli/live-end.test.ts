/** How undo and rewind end before their end. */
import { describe, expect, test } from "vitest";
import { stoppedIf, wayBackText } from "../../src/cli/live-end.js";
import { ThinkbackError } from "../../src/errors.js";

describe("a command that a signal stops before it wrote anything", () => {
  const stop = new AbortController();
  stop.abort(new Error("received SIGINT"));
  const running = new AbortController();

  test("ends as incomplete, whatever failed because of the signal", () => {
    for (const error of [stop.signal.reason as Error, new ThinkbackError("target", "closed")]) {
      expect(stoppedIf(stop.signal, error)).toMatchObject({
        code: "incomplete",
        message: "stopped: nothing was written",
        cause: error,
      });
    }
  });

  test("ends with what it says itself of how far it came", () => {
    const told = new ThinkbackError("incomplete", "stopped: 1 of 2 documents done");
    expect(stoppedIf(stop.signal, told)).toBe(told);
  });

  test("is not what ends with its own error", () => {
    const error = new Error("a defect");
    expect(stoppedIf(running.signal, error)).toBe(error);
  });
});

test("the way back is a whole command, without secrets, as words of a shell", () => {
  const repo = "/a place";
  const target = ["rethinkdb://me:secret@a", "rethinkdb://b"];
  expect(wayBackText("0123abcd", { repo, target })).toBe(
    "thinkback undo --operation 0123abcd --repo '/a place' --target 'rethinkdb://me:***@a' --target rethinkdb://b",
  );
  const files = { repo: "r", target: [], targetFile: "t", passwordFile: "p" };
  expect(wayBackText("0123abcd", files)).toBe(
    "thinkback undo --operation 0123abcd --repo r --target-file t --password-file p",
  );
});
