/** Schemas of what an overview is made of: the status without coverage, coverage as a picture, events, and scans. */
import * as v from "valibot";
import { points, status, tableStatus } from "./answers.js";

const text = v.string();
const count = v.number();

/** A table without its coverage. */
export const tableSummary = v.omit(tableStatus, ["intervals"]);

/** The catalog, or users and grants, without their coverage. */
const systemSummary = v.nullable(v.omit(status.entries.catalog.wrapped, ["intervals"]));

/** The status without coverage, and with sums over the tables. */
export const overview = v.object({
  ...v.omit(status, ["catalog", "access", "tables"]).entries,
  catalog: systemSummary,
  access: systemSummary,
  changes: count,
  logBytes: count,
  tables: v.array(tableSummary),
});

/** One line of the picture: a table, the catalog, or users and grants. */
const row = v.object({
  id: text,
  name: text,
  state: text,
  /** The first and the last instant in its intervals, in ms since the origin; empty if it has none. */
  ends: v.array(count),
  /**
   * In order. Each is a list of counts, of which zeros at the end are left out: steps since the end of the one before,
   * or since the origin; its length in steps; its class; its reason and its kept instants, each as a place in the lists
   * of the answer, counted from 1, and 0 for none; by how many ms it is late at most; its resolution in ms, if thinned.
   */
  intervals: v.array(v.array(count)),
});

/** Coverage as a picture. */
export const timeline = v.object({
  now: text,
  /** From where the first interval of each row counts. */
  origin: text,
  stepMs: count,
  /** From the best to the worst. A step in which there are several has the worst. */
  classes: v.array(text),
  reasons: v.array(text),
  /** Instants that thinning has kept, in ms since the origin. */
  kept: v.array(v.array(count)),
  catalog: v.nullable(row),
  access: v.nullable(row),
  tables: v.array(row),
});

/** Points that are recorded: not bursts, for which the log would be read. */
export const timelineEvents = v.object({
  /** Until when they are read: they may be a minute old, and ten in a store that charges for requests. */
  to: text,
  points: points.entries.points,
});

/** Tables that are copied or resynced now, or wait for that. */
export const scans = v.object({
  tables: v.array(
    v.object({
      id: text,
      name: text,
      state: text,
      /** Null if the scan has not begun, or another process makes it. */
      scanned: v.nullable(v.object({ documents: count, bytes: count, ofAbout: count })),
      /** This process captures the table. */
      isHere: v.boolean(),
    }),
  ),
});
