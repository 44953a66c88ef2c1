/**
 * The write hooks that Thinkback itself puts on tables that it fills. They refuse writes, and their answer says whose
 * they are. They come and go with a restore or a standby, and are no part of what a table is.
 */
import type { TableConfig } from "./catalog-record.js";

type Hook = TableConfig["write_hook"] | undefined;

/** How each of our own hooks marks what it answers; what it is for follows. */
export const ownMark = "[thinkback";

/** The bytes of a hook's function as a text; undefined if there is none. */
export function hookText(hook: Hook): string | undefined {
  const { data } = (hook?.function ?? {}) as { data?: unknown };
  return typeof data === "string" ? Buffer.from(data, "base64").toString("latin1") : undefined;
}

export const isOwnHook = (hook: Hook): boolean => hookText(hook)?.includes(ownMark) === true;
