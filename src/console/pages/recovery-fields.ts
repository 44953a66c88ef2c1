/** Reads values whose form nobody promises: what a command prints. Each reader throws for what it does not know. */

export type Read<T> = (value: unknown) => T;

class Unread extends Error {}

const no = (what: string): never => {
  throw new Unread(`not ${what}`);
};

export const text: Read<string> = (value) => (typeof value === "string" ? value : no("a text"));
export const number: Read<number> = (value) => (typeof value === "number" ? value : no("a number"));
export const flag: Read<boolean> = (value) => (typeof value === "boolean" ? value : no("a flag"));
export const anything: Read<unknown> = (value) => value;

export const list =
  <T>(of: Read<T>): Read<T[]> =>
  (value) =>
    Array.isArray(value) ? value.map(of) : no("a list");

export const nullable =
  <T>(of: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : of(value);

/** What may be absent. */
export const perhaps =
  <T>(of: Read<T>): Read<T | undefined> =>
  (value) =>
    value === undefined ? undefined : of(value);

type Fields = Record<string, Read<unknown>>;
export type Of<R> = R extends Read<infer T> ? T : never;

/** An object with these fields; others are left out. */
export const object =
  <F extends Fields>(fields: F): Read<{ [K in keyof F]: Of<F[K]> }> =>
  (value) => {
    if (typeof value !== "object" || value === null) return no("an object");
    const given = value as Record<string, unknown>;
    const read = Object.entries(fields).map(([name, of]) => [name, of(given[name])]);
    return Object.fromEntries(read) as { [K in keyof F]: Of<F[K]> };
  };

/** What the reader reads; undefined if it is of another form. */
export function readAs<T>(of: Read<T>, value: unknown): T | undefined {
  try {
    return of(value);
  } catch (error) {
    if (error instanceof Unread) return undefined;
    throw error;
  }
}
