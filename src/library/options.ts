/** What callers give the library: a misspelt or mistyped option would otherwise choose everything, or nothing. */
import * as v from "valibot";
import { ThinkbackError } from "../errors.js";

const texts = v.array(v.string(), "a list of texts");
const text = v.string("a text");
const flag = v.boolean("true or false");
const number = v.number("a number");
const callback = v.function("a function");
const signal = v.instance(AbortSignal, "an AbortSignal");
const servers = v.union([text, texts], "a URL, or a list of URLs");
const gap = v.picklist(["before", "after"], '"before" or "after"');

const optional = <const T extends v.ObjectEntries>(entries: T) => {
  const wrapped = Object.entries(entries).map(([key, schema]) => [key, v.optional(schema)]);
  return Object.fromEntries(wrapped) as { [K in keyof T]: v.OptionalSchema<T[K], undefined> };
};

const keys = v.strictObject(
  optional({ identityFiles: texts, identities: texts, trust: texts, passphrase: text }),
  "an object",
);

export const openOptions = v.strictObject(optional({ keys, onCopyTrouble: callback }));

export const captureOptions = v.strictObject({
  source: servers,
  location: v.union([text, texts], "a location, or a list of locations"),
  ...optional({
    keys,
    include: texts,
    exclude: texts,
    once: flag,
    tickMs: number,
    copiesAtOnce: number,
    spool: v.strictObject({ location: text, bytesMax: number }),
    takeOver: flag,
    standby: flag,
    trustClock: flag,
    acceptCluster: flag,
    forgetServers: texts,
    signal,
    onEvent: callback,
  }),
});

export const restoreRequest = v.strictObject(
  optional({
    at: number,
    tables: texts,
    databases: texts,
    renames: v.record(v.string(), text, "an object of old names to new ones"),
    gap,
    allowInexact: flag,
    nearest: flag,
    withoutAccess: flag,
  }),
);

export const restoreOptions = v.strictObject({
  target: servers,
  ...optional({ signal, onEvent: callback }),
});

/** Throws, with code "usage" and naming the option, if one is missing, unknown or of the wrong type. */
export function checkOptions(schema: v.GenericSchema, options: unknown): void {
  const [issue] = v.safeParse(schema, options, { abortEarly: true }).issues ?? [];
  if (!issue) return;
  const path = issue.path?.map(({ key }) => String(key)).join(".");
  if (path === undefined) throw usage("the options are no object");
  if (issue.expected === "never") throw usage(`there is no option ${path}`);
  throw usage(
    issue.received === "undefined"
      ? `the option ${path} is missing`
      : `the option ${path} is not ${issue.message}`,
  );
}

function usage(message: string): ThinkbackError {
  return new ThinkbackError("usage", message, { hint: "docs/library.md has the options" });
}
