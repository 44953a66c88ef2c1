import { describe, expect, test } from "vitest";
import { tableSelection, withoutScratch } from "../../src/capture/selection.js";

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

describe("withoutScratch", () => {
  const scratch = "thinkback_drill_0123456789ab_shop";
  const kept = [
    { key: ["db", "d1"], value: { id: "d1", name: "shop" } },
    { key: ["db", "d2"], value: { id: "d2", name: "thinkback_drill_mine" } },
    { key: ["table", "t1"], value: { id: "t1", db: "shop", name: scratch } },
    { key: ["indexes", "t1"], value: { indexes: [] } },
    { key: ["user", scratch], value: { id: scratch } },
    { key: ["permission", "u", "d1"], value: { id: ["u", "d1"] } },
  ];

  test("leaves out the databases of drills, and everything of their tables", () => {
    const drilled = [
      { key: ["db", "d3"], value: { id: "d3", name: scratch } },
      { key: ["table", "t3"], value: { id: "t3", db: scratch, name: "orders" } },
      { key: ["table", "t4"], value: { id: "t4", db: scratch, name: "x", error: "no replicas" } },
      { key: ["indexes", "t3"], value: { indexes: [] } },
      { key: ["permission", "u", "d3", "t3"], value: { id: ["u", "d3", "t3"] } },
    ];
    const access = [{ key: ["permission", "u", "d3"], value: {} }];
    const servers = [{ id: "s1", name: "one" }];
    const reading = { servers, beyond: [], structure: [...kept, ...drilled], access };
    const ours = { servers, beyond: [], structure: kept, access: [] };
    expect(withoutScratch(reading)).toEqual(ours);
  });

  test("leaves everything else as it is", () => {
    const reading = { servers: [], beyond: [], structure: kept, access: undefined };
    expect(withoutScratch(reading)).toEqual(reading);
  });
});
