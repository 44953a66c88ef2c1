import { describe, expect, test } from "vitest";
import { parseTenants, tenantTest } from "../../src/recovery/tenant.js";
import { parseWhere } from "../../src/recovery/where.js";

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const order = json({
  id: 1,
  customer: { id: "c42" },
  tags: ["a", "b"],
  total: 120,
  created: { $reql_type$: "TIME", epoch_time: 1000, timezone: "+00:00" },
});

describe("a query by example", () => {
  test.each([
    ['{"customer.id": "c42"}', true],
    ['{"customer.id": "c4"}', false],
    ['{"total": {"$gt": 100, "$lt": 121}}', true],
    ['{"tags": "b"}', true],
    ['{"tags": {"$in": ["x"]}}', false],
    ['{"created.epoch_time": {"$gte": 1000}}', true],
    ['{"gone": {"$exists": false}}', true],
    ['{"$or": [{"id": 2}, {"total": 120}]}', true],
    ["{}", true],
  ])("%s", (query, fits) => {
    expect(parseWhere(query, "--where")(order)).toBe(fits);
  });

  test.each([
    ["{", /--where \{ is not JSON/],
    ["[1]", /not an object/],
    ['{"$where": "true"}', /would run code/],
    ['{"a": {"b": [{"$where": "true"}]}}', /would run code/],
    ['{"a": {"$nonsense": 1}}', /\$nonsense/],
  ])("%s is refused", (query, message) => {
    expect(() => parseWhere(query, "--where")).toThrow(message);
  });
});

describe("a mapping of tables to a customer's field", () => {
  const tenants = parseTenants(
    "shop.orders: customer.id\nshop.customers: id\nshop.posts:\n  $or: [{author: $tenant}, {tags: $tenant}]\n",
    "tenants.yaml",
  );

  test("says which documents are the customer's", () => {
    expect(tenantTest(tenants, "shop.orders", "c42")!(order)).toBe(true);
    expect(tenantTest(tenants, "shop.orders", "c43")!(order)).toBe(false);
    expect(tenantTest(tenants, "shop.posts", "b")!(order)).toBe(true);
    expect(tenantTest(tenants, "shop.posts", "x")!(order)).toBe(false);
    expect(tenantTest(tenants, "shop.others", "c42")).toBeUndefined();
  });

  test.each(["", "a: b", "shop.orders: 3", "[1]", "shop.orders: {", "shop.orders: ''"])(
    "%j is refused",
    (text) => expect(() => parseTenants(text, "tenants.yaml")).toThrow(/tenants.yaml/),
  );
});
