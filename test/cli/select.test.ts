/** Which documents the options of the command line select, and what selects none, or others than it seems to. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type SelectArguments, selectionOf } from "../../src/cli/select.js";
import { orderCode } from "../../src/key-order.js";

let directory: string;
let tenant: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-select-"));
  tenant = join(directory, "tenants.yaml");
  await writeFile(tenant, "shop.orders: customer\n");
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const selection = async (args: SelectArguments) => (await selectionOf(args))("shop.orders")!;

describe("--between", () => {
  test.each([
    ["a..b", ["a", "ab", "b"], ["A", "b0", 1]],
    ["a..a", ["a"], ["b"]],
    ["9..10", [9, 9.5, 10], [8, 11, "9"]],
    ["b..", ["b", "c"], ["a", 3]],
    ["..b", [true, 7, "a", "b"], ["c"]],
  ])("%s", async (between, inside, outside) => {
    const { filter } = await selection({ between });
    const has = (key: unknown) => filter!.has(orderCode(Buffer.from(JSON.stringify(key))));
    expect(inside.map(has)).toEqual(inside.map(() => true));
    expect(outside.map(has)).toEqual(outside.map(() => false));
  });

  test.each(["z..a", "10..9", '"10"..9', "b..B", "false..[1]"])(
    "%s is refused",
    async (between) => {
      await expect(selectionOf({ between })).rejects.toMatchObject({
        code: "usage",
        message: `--between ${between} selects nothing`,
      });
    },
  );
});

describe("--tenant-id", () => {
  const documents = [
    '{"id":1,"customer":"c42"}',
    '{"id":2,"customer":42}',
    '{"id":3,"customer":null}',
    '{"id":4}',
    '{"id":5,"customer":true}',
    '{"id":6,"customer":"null"}',
  ];

  test.each([
    ["c42", [1]],
    ["42", [2]],
    ['"42"', []],
    ["true", [5]],
    ['"null"', [6]],
  ])("%s selects %j", async (tenantId, ids) => {
    const { matches } = await selection({ tenant, tenantId });
    const selected = documents.filter((one) => matches!(Buffer.from(one)));
    expect(selected.map((one) => (JSON.parse(one) as { id: number }).id)).toEqual(ids);
  });

  test.each(["null", '{"$ne":1}', "{}", "[1,2]", "[]"])("%s is refused", async (tenantId) => {
    await expect(selectionOf({ tenant, tenantId })).rejects.toMatchObject({
      code: "usage",
      message: `--tenant-id ${tenantId} is not the value of one customer`,
    });
  });
});
