/** What the log says of a command that ran beside a capture and failed. */
import { expect, test } from "vitest";
import { errorIn } from "../../src/cli/child-command.js";
import { ThinkbackError } from "../../src/errors.js";

test("the error that a command prints as JSON is told as an error, not as text within text", () => {
  const error = { code: "damaged", message: 'object "x" is damaged', hint: "put it back" };
  const printed = `thinkback: a note\n${JSON.stringify({ error })}\n`;
  expect(errorIn(printed, "it ended with 8")).toEqual(
    new ThinkbackError("damaged", error.message, { hint: error.hint }),
  );
  expect(errorIn(printed, "it ended with 8")).toMatchObject(error);
});

test.each(["", "Killed", "{", "null", '{"error":null}', '{"error":{"code":"odd","message":"m"}}'])(
  "of a command that ended in another way, what there is is told: %s",
  (printed) => {
    const error = errorIn(printed, "it ended with SIGKILL");
    expect(error.message).toBe(printed || "it ended with SIGKILL");
    expect(error).not.toBeInstanceOf(ThinkbackError);
  },
);
