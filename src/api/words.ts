/** Schemas of what requests have in them. Whatever goes to a command is bounded, and has no byte 0, which ends it. */
import * as v from "valibot";

const printable = (most: number, what: string) =>
  v.pipe(
    v.string(`${what} is a text`),
    v.minLength(1, `${what} is not empty`),
    v.maxLength(most, `${what} has at most ${most} characters`),
    v.regex(/^\P{Cc}*$/u, `${what} has no control characters`),
  );

/** As the command line takes it: an instant in ISO 8601 with its zone, "10m ago", "before:mark-0123abcd". */
export const time = printable(100, "a time");
export const note = printable(500, "a note");
export const markText = printable(200, "a mark");
/** Primary key: JSON, or a plain text. */
export const key = printable(1000, "a key");
export const idempotencyKey = printable(200, "Idempotency-Key");

export const table = v.pipe(
  v.string("a table is a text"),
  v.regex(/^[A-Za-z0-9_-]{1,127}\.[A-Za-z0-9_-]{1,127}$/, "a table is given as database.table"),
);
/** Several, for a query. */
export const tables = v.pipe(
  v.string("tables are a text"),
  v.regex(
    /^[A-Za-z0-9_-]{1,127}\.[A-Za-z0-9_-]{1,127}(,[A-Za-z0-9_-]{1,127}\.[A-Za-z0-9_-]{1,127}){0,99}$/,
    "up to 100 tables are given as database.table, with commas between them",
  ),
);
export const pinName = v.pipe(
  v.string("the name of a pin is a text"),
  v.regex(/^[a-z0-9][a-z0-9-]{0,99}$/, "a pin has up to 100 small letters, digits and hyphens"),
);
/** A kind of alarms, or the id of one, which is a kind and 8 digits. */
export const alarmName = v.pipe(
  v.string("an alarm is a text"),
  v.regex(/^[a-z]+(-[a-z0-9]+){0,9}$/, "an alarm is named by its id or its kind"),
  v.maxLength(100, "the name of an alarm has at most 100 characters"),
);
/** A duration as the command line takes it, such as 2h. */
export const span = printable(20, "a duration");
export const recoveryId = v.pipe(
  v.string("an id is a text"),
  v.regex(/^[0-9a-f]{8}$/, "an id has 8 hexadecimal digits"),
);
/** What a person has typed to confirm something: the name of a table or a database. */
export const typedName = printable(300, "a name");
/** The number of an event. */
export const eventNumber = v.pipe(
  v.number("a number of an event is a number"),
  v.integer("a number of an event is whole"),
  v.minValue(1, "events are counted from 1"),
  v.maxValue(9_999_999_999, "a number of an event has at most 10 digits"),
);
/** A word of a command. */
export const word = printable(4000, "an argument");

/** In a query, where everything is text. */
export const flag = v.picklist(["true", "false"], "true or false");

/** A whole number, in a query. */
export const countFrom = (least: number, most: number) => {
  const says = `a whole number from ${least} to ${most}`;
  return v.pipe(
    v.string(says),
    v.regex(/^\d{1,9}$/, says),
    v.check((text) => Number(text) >= least && Number(text) <= most, says),
  );
};

export const gap = v.picklist(["before", "after"], "before or after");
