/** A mapping of tables to the field that names a customer, so that one customer comes back out of a shared database. */
import * as v from "valibot";
import { parse } from "yaml";
import { ThinkbackError } from "../errors.js";
import { type DocumentTest, whereTest } from "./where.js";

/**
 * What a file says: for each "db.table" the path of the field, such as `customer.id`; or a query by example with
 * `$tenant` in it, for tables in which more than one field says whose a document is.
 */
const mapping = v.record(
  v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)),
  v.union([v.pipe(v.string(), v.minLength(1)), v.record(v.string(), v.unknown())]),
);
export type TenantMapping = v.InferOutput<typeof mapping>;

/** Throws, with code "usage", naming the file, if the text is not a mapping. */
export function parseTenants(text: string, file: string): TenantMapping {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    throw refused(file, error instanceof Error ? error.message.split("\n")[0]! : String(error));
  }
  const { success, output, issues } = v.safeParse(mapping, content);
  if (success && Object.keys(output).length > 0) return output;
  const path = issues?.[0]?.path?.map(({ key }) => String(key)).join(".") ?? "it";
  throw refused(file, `${path} is not a table with the path of a field`);
}

/** The test of a table's documents: whether they are the customer's. Undefined if the mapping lacks the table. */
export function tenantTest(
  tenants: TenantMapping,
  table: string,
  tenant: unknown,
): DocumentTest | undefined {
  const told = tenants[table];
  if (told === undefined) return undefined;
  const query = typeof told === "string" ? { [told]: tenant } : filled(told, tenant);
  return whereTest(query, `the mapping of ${table}`);
}

/** A query in which the text `$tenant` stands for the customer. */
function filled(query: unknown, tenant: unknown): unknown {
  if (query === "$tenant") return tenant;
  if (Array.isArray(query)) return query.map((one) => filled(one, tenant));
  if (typeof query !== "object" || query === null) return query;
  return Object.fromEntries(Object.entries(query).map(([name, of]) => [name, filled(of, tenant)]));
}

function refused(file: string, why: string): ThinkbackError {
  return new ThinkbackError("usage", `${file} is not a mapping of tables: ${why}`, {
    hint: "write one line for each table: shop.orders: customer.id",
  });
}
