/** The options that say which documents are meant: --key, --between, --where, --tenant. */
import { readFile } from "node:fs/promises";
import { messageOf, ThinkbackError } from "../errors.js";
import { compareKeys } from "../key-order.js";
import { type Selection, selectBetween, selectKeys } from "../recovery/selection.js";
import { parseTenants, tenantTest } from "../recovery/tenant.js";
import { parseWhere } from "../recovery/where.js";
import { keyBytes } from "./key-text.js";

export interface SelectArguments {
  /** Keys, or @file with one on each line. */
  key?: string[];
  /** FROM..TO */
  between?: string;
  where?: string;
  /** A file, and the customer's value. */
  tenant?: string;
  tenantId?: string;
}

/** What is selected of a table, by "db.table"; undefined if nothing of it is. */
export interface SelectionOf {
  (table: string): Selection | undefined;
  /** The file of --tenant, and the tables that it names. */
  mapping?: { file: string; tables: readonly string[] };
}

/** True if less than everything is selected. */
export const isSelecting = ({ key = [], between, where, tenant }: SelectArguments) =>
  key.length > 0 || between !== undefined || where !== undefined || tenant !== undefined;

/** The tables that the file of --tenant names; none if it is not given. */
export async function mappedTables({ tenant }: SelectArguments): Promise<string[]> {
  return tenant === undefined ? [] : Object.keys(parseTenants(await textOf(tenant), tenant));
}

export async function selectionOf(args: SelectArguments): Promise<SelectionOf> {
  const { key = [], between, where, tenant, tenantId } = args;
  if (key.length > 0 && between !== undefined) {
    throw new ThinkbackError("usage", "--key and --between are both given", {
      hint: "give --key for single documents, or --between for a range of keys",
    });
  }
  if ((tenant === undefined) !== (tenantId === undefined)) {
    throw new ThinkbackError("usage", "--tenant and --tenant-id go together", {
      hint: "give --tenant FILE, which names the field of each table, and --tenant-id with the customer's value",
    });
  }
  const keys = key.length > 0 ? selectKeys(await keysOf(key)) : {};
  const range = between === undefined ? {} : rangeOf(between);
  if (where !== undefined) parseWhere(where, "--where");
  const tenants = tenant === undefined ? undefined : parseTenants(await textOf(tenant), tenant);
  const customer = tenantId === undefined ? undefined : valueOf(tenantId);
  const of = (table: string): Selection | undefined => {
    const isOfTenant = tenants && tenantTest(tenants, table, customer);
    if (tenants && !isOfTenant) return undefined;
    // Each table has tests of its own, because they note what its documents have.
    const isMeant = where === undefined ? undefined : parseWhere(where, "--where");
    const tests = [isMeant, isOfTenant].filter((test) => test !== undefined);
    if (tests.length === 0) return { ...keys, ...range };
    return {
      ...keys,
      ...range,
      matches: (document) => tests.map((test) => test(document)).every(Boolean),
      doubts: () => tests.flatMap((test) => test.doubts(table)),
    };
  };
  if (tenants === undefined) return of;
  return Object.assign(of, { mapping: { file: tenant!, tables: Object.keys(tenants) } });
}

async function keysOf(given: readonly string[]): Promise<Buffer[]> {
  const keys: Buffer[] = [];
  for (const one of given) {
    if (!one.startsWith("@")) keys.push(keyBytes(one));
    else {
      const lines = (await textOf(one.slice(1))).split(/\r?\n/).filter((line) => line !== "");
      keys.push(...lines.map(keyBytes));
    }
  }
  if (keys.length > 0) return keys;
  throw new ThinkbackError("usage", "--key names a file without a key", {
    hint: "write one key on each line",
  });
}

function rangeOf(between: string): Selection {
  const [from, to, ...more] = between.split("..");
  if (to === undefined || more.length > 0 || (from === "" && to === "")) {
    throw new ThinkbackError("usage", `--between ${between} cannot be read`, {
      hint: "give the first and the last key, or one of them: a..b, a.. or ..b",
    });
  }
  const [first, last] = [from, to].map((key) => (key ? keyBytes(key) : undefined));
  if (first && last && compareKeys(first, last) > 0) {
    throw new ThinkbackError("usage", `--between ${between} selects nothing`, {
      hint: "give the lower key first; numbers come before texts, and texts in the order of their bytes",
    });
  }
  return selectBetween(first, last);
}

/** A customer's value: JSON, or, if it is not JSON, a plain string. Anything else would be a query, not a value. */
function valueOf(text: string): string | number | boolean {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return value;
  }
  throw new ThinkbackError("usage", `--tenant-id ${text} is not the value of one customer`, {
    hint: "give a text, a number, true or false; a text that looks like other JSON needs quotes: '\"null\"'",
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ThinkbackError("usage", `${file} cannot be read: ${messageOf(error)}`, {
      hint: "give the path of a file",
    });
  }
}
