import { describe, expect, test } from "vitest";
import { parseTenants, tenantTest } from "../../src/recovery/tenant.js";
import { parseWhere } from "../../src/recovery/where.js";

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const order = json({
  id: 1,
  customer: { id: "c42" },
  tags: ["a", "b"],
  total: 120,
  "e.mail": "x",
  of: { "a.b": 2 },
  items: [{ n: 1 }, { n: 2, c: "x" }],
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
    ['{"\\"e.mail\\"": "x"}', true],
    ['{"\\"e.mail\\"": "y"}', false],
    ['{"e.mail": "x"}', false],
    ['{"of.\\"a.b\\"": {"$gt": 1}}', true],
    ['{"of": {"a.b": 2}}', true],
    ['{"of": {"a": {"b": 2}}}', false],
    ['{"items": {"$elemMatch": {"n": {"$gte": 2}, "c": "x"}}}', true],
    ['{"items": {"$elemMatch": {"n": {"$gte": 2}, "c": "y"}}}', false],
    ['{"total": {"$not": {"$gt": 100}}}', false],
    ['{"total": {"$mod": [10, 0]}}', true],
    ['{"tags": {"$size": 2, "$all": ["b", "a"]}}', true],
    ['{"customer.id": {"$regex": "^C", "$options": "i"}}', true],
    ['{"total": {"$type": "number"}}', true],
  ])("%s", (query, fits) => {
    expect(parseWhere(query, "--where")(order)).toBe(fits);
  });

  test.each([
    ["{", /--where \{ is not JSON/],
    ["[1]", /not an object/],
    ['{"$where": "true"}', /would run code/],
    ['{"a": {"b": [{"$where": "true"}]}}', /would run code/],
    ['{"a": {"$nonsense": 1}}', /\$nonsense, which is no operator/],
    ['{"$nonsense": 1}', /\$nonsense, which is no operator/],
    ['{"a": {"$in": 5}}', /\$in with 5: it takes a list/],
    ['{"a": {"$in": null}}', /\$in with null: it takes a list/],
    ['{"a": {"$nin": {}}}', /\$nin with \{\}: it takes a list/],
    ['{"a": {"$all": "x"}}', /\$all with "x": it takes a list/],
    ['{"a": {"$mod": 5}}', /\$mod with 5: it takes a divisor/],
    ['{"a": {"$mod": [0, 1]}}', /\$mod with \[0,1\]/],
    ['{"a": {"$size": "x"}}', /\$size with "x": it takes a count/],
    ['{"a": {"$exists": 1}}', /\$exists with 1: it takes true or false/],
    ['{"a": {"$type": "text"}}', /\$type with "text": it takes one of number/],
    ['{"a": {"$gt": null}}', /\$gt with null: it takes a number or a text/],
    ['{"a": {"$lte": [1]}}', /\$lte with \[1\]/],
    ['{"a": {"$regex": "("}}', /\$regex that is no pattern/],
    ['{"a": {"$regex": 1}}', /\$regex with 1/],
    ['{"a": {"$options": "i"}}', /\$options without \$regex/],
    ['{"a": {"$not": 1}}', /\$not with 1/],
    ['{"a": {"$not": {"$in": 1}}}', /\$in with 1/],
    ['{"a": {"$elemMatch": {"b": {"$size": -1}}}}', /\$size with -1/],
    ['{"a": {"$gt": 1, "b": 2}}', /mixes operators with the field b/],
    ['{"$or": {}}', /\$or with \{\}: it takes a list of queries/],
    ['{"$and": []}', /\$and with \[\]/],
    ['{"$in": [1]}', /\$in without a field/],
    ['{"a": {"$or": [{"b": 1}]}}', /\$or below a field/],
    ['{"a..b": 1}', /"a..b", which is not the path of a field/],
    ['{"created": {"$reql_type$": "TIME", "epoch_time": 1}}', /the server's own type/],
  ])("%s is refused", (query, message) => {
    expect(() => parseWhere(query, "--where")).toThrow(message);
  });
});

describe("what shows that a query is mistyped", () => {
  const doubts = (query: object, ...documents: object[]) => {
    const test = parseWhere(JSON.stringify(query), "--where");
    for (const one of documents) test(json(one));
    return test.doubts("shop.t");
  };

  test.each<[object, object[], string[]]>([
    [
      { customer: 1 },
      [{ customerId: 1 }],
      ["no document of shop.t that was looked at has a field customer"],
    ],
    [{ "a.b": 1 }, [{ a: 1 }], ["no document of shop.t that was looked at has a field a.b"]],
    [{ "a.b": 1 }, [{ a: [{ b: 1 }] }], []],
    [{ a: 1 }, [{}, { a: 1 }], []],
    [{ a: 1 }, [], []],
    [{ a: { $exists: false } }, [{}], []],
    [{ a: null }, [{ a: null }], []],
    [
      { a: "42" },
      [{ a: 42 }, { a: 7 }],
      ["a of shop.t is a number in each document that was looked at, and a text was given"],
    ],
    [
      { a: { $in: [42] } },
      [{ a: ["42"] }],
      ["a of shop.t is a text in each document that was looked at, and a number was given"],
    ],
    [{ a: "42" }, [{ a: 42 }, { a: "7" }], []],
    [{ a: "42" }, [{ a: "7" }, { a: 42 }], []],
    [{ a: "42" }, [{ a: ["7", 42] }], []],
  ])("%j on %j", (query, documents, said) => {
    expect(doubts(query, ...documents)).toEqual(said);
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
