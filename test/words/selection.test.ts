import { describe, expect, test } from "vitest";
import { tableSelection } from "../../src/capture/selection.js";

const tables = [
  "shop.orders",
  "shop.order_items",
  "shop.carts",
  "blog.orders",
  "shop2.orders",
  "a.b-c",
];

function selected(include: string[], exclude: string[] = []): string[] {
  const selects = tableSelection(include, exclude);
  return tables.filter((name) => selects(...(name.split(".") as [string, string])));
}

describe("tableSelection", () => {
  test.each<[string[], string[], string[]]>([
    [[], [], tables],
    [["shop.orders"], [], ["shop.orders"]],
    [["shop"], [], ["shop.orders", "shop.order_items", "shop.carts"]],
    [["shop.*"], [], ["shop.orders", "shop.order_items", "shop.carts"]],
    [["*.orders"], [], ["shop.orders", "blog.orders", "shop2.orders"]],
    [["*"], [], tables],
    [["*.*"], [], tables],
    [["shop*"], [], ["shop.orders", "shop.order_items", "shop.carts", "shop2.orders"]],
    [["shop.order*"], [], ["shop.orders", "shop.order_items"]],
    [["shop.*s"], [], ["shop.orders", "shop.order_items", "shop.carts"]],
    [["s*p.*r*s"], [], ["shop.orders", "shop.order_items", "shop.carts"]],
    [["shop.orders", "a.b-c"], [], ["shop.orders", "a.b-c"]],
    [["order"], [], []],
    [["SHOP"], [], []],
    [[], ["shop"], ["blog.orders", "shop2.orders", "a.b-c"]],
    [["*.orders"], ["shop.*"], ["blog.orders", "shop2.orders"]],
    [["shop.orders"], ["*.orders"], []],
  ])("include %j, exclude %j", (include, exclude, expected) => {
    expect(selected(include, exclude)).toEqual(expected);
  });

  test.each([
    "",
    ".",
    "shop.",
    ".orders",
    "a.b.c",
    "shop orders",
    "shop.$",
    "sh[o]p.x",
    "shop.(x)",
    "a|b",
  ])("refuses the pattern %j", (pattern) => {
    expect(() => tableSelection([pattern], [])).toThrow("is not a pattern of tables");
    expect(() => tableSelection([], [pattern])).toThrow("is not a pattern of tables");
  });
});
