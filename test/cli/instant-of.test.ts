/** What is said of times that cannot be read, and of stretches that end before they begin. */
import { expect, test } from "vitest";
import { instantIn, refuseReversed } from "../../src/cli/instant-of.js";
import { runCommandLine } from "../../src/cli/program.js";
import { parseInstant } from "../../src/instant.js";

const now = Date.parse("2026-11-28T04:34:00Z");
const given = (text: string) => ({ text, at: parseInstant(text, now) });

test("what is no time is told all forms, points too", () => {
  expect(() => instantIn("deploy 42", now)).toThrow(
    expect.objectContaining({
      code: "usage",
      message: 'cannot read "deploy 42" as a time',
      hint: expect.stringMatching(/"now", or "before:" and the id of a point/),
    }),
  );
});

test("both ends of a stretch are printed with their dates, and why one is of yesterday", () => {
  expect(() => refuseReversed(given("04:33"), given("04:35"), now)).toThrow(
    '--from is after --to: "04:33" is 2026-11-28T04:33:00.000+00:00; ' +
      '"04:35" is 2026-11-27T04:35:00.000+00:00, yesterday: it is not 04:35 UTC yet today',
  );
  expect(() => refuseReversed(given("04:33"), given("1h ago"), now)).toThrow(
    '"1h ago" is 2026-11-28T03:34:00.000+00:00',
  );
  expect(() => refuseReversed(given("04:31"), given("04:33"), now)).not.toThrow();
});

test.each(["undo", "rewind", "diff", "restore", "points", "export", "history", "mark"])(
  "the help of %s says the forms of times, and whether points are taken",
  async (command) => {
    let printed = "";
    const stream = { write: (text: string) => (printed += text) };
    expect(await runCommandLine([command, "--help"], { stdout: stream, stderr: stream })).toBe(0);
    expect(printed).toContain("A time is ISO 8601 such as");
    expect(printed.includes('"before:" and the id')).toBe(command !== "mark");
  },
);
