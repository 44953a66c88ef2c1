/** What the options of restore, preview, export, show and diff ask for. */
import { expect, test } from "vitest";
import { requestOf } from "../../src/cli/restore-request.js";

const chosen = { table: ["shop.orders"], db: [] };

test("nothing but exact instants is asked for, without users and grants, if no option says more", () => {
  expect(requestOf(chosen, undefined)).toEqual({
    tables: ["shop.orders"],
    databases: [],
    renames: new Map(),
    allowInexact: false,
    nearest: false,
    withoutAccess: true,
  });
});

test("the options of an instant count, and what the command adds comes last", () => {
  const options = { ...chosen, gap: "before", allowInexact: true, nearest: true };
  const more = { withoutAccess: false, renames: new Map([["shop.orders", "shop.then"]]) };
  expect(requestOf(options, 7, more)).toEqual({
    at: 7,
    tables: ["shop.orders"],
    databases: [],
    gap: "before",
    allowInexact: true,
    nearest: true,
    ...more,
  });
});

test("a side of a gap that there is not is refused", () => {
  expect(() => requestOf({ ...chosen, gap: "between" }, 7)).toThrow("--gap between cannot be read");
});
