import { expect, test } from "vitest";
import { roles, rolesOf } from "../../src/cli/roles.js";
import { options } from "../../src/configuration/options.js";

test("roles are given as a list, and by default a process has all", () => {
  expect([...rolesOf("fold, api")]).toEqual(["fold", "api"]);
  const byDefault = options.find(({ flag }) => flag === "--role <roles>")!.default!;
  expect([...rolesOf(byDefault)]).toEqual([...roles]);
});

test.each([
  ["captur", "did you mean capture?"],
  ["capture,", "give some of"],
  ["", "give some of"],
  ["everything", "give some of"],
])("%j is refused", (text, hint) => {
  expect(() => rolesOf(text)).toThrow(
    expect.objectContaining({ code: "usage", hint: expect.stringContaining(hint) }),
  );
});
