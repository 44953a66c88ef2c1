/** Finds points by what people call them. Listings say most: only what may be meant is read, several at once. */
import { parseDrillName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { listDrills, readDrill } from "../repository/records/drills.js";
import { listMarkNames, listMarks, readMark } from "../repository/records/marks.js";
import { listOperationNames } from "../repository/records/operation-names.js";
import { readOperation } from "../repository/records/operations.js";
import type { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";
import { burstId, isPointId, type PointId, parsePointId } from "./point-ids.js";
import {
  catalogPoints,
  type Point,
  pointOfDrill,
  pointOfMark,
  pointOfOperation,
  pointOfPin,
} from "./points.js";

/** What is known of a point that somebody may have meant. */
export type NamedPoint = Pick<Point, "id" | "at" | "before">;

/** A name that something has, and when that was. */
export interface KnownName {
  name: string;
  at: Instant;
}

export interface FoundPoints {
  /** All that the name means: none if it is not known, several if it is not clear. */
  found: NamedPoint[];
  /** Names like it that something has. */
  known: () => Promise<KnownName[]>;
}

/** @param store that of everything that lies in no lane */
export async function pointsNamed(
  view: RepositoryView,
  store: ObjectStore,
  name: string,
): Promise<FoundPoints> {
  const id = parsePointId(name);
  if (id) {
    const found = await pointsOfId(view, store, name, id);
    return { found, known: () => knownIds(view, store) };
  }
  const points = await pointsWithNames(view, store, name);
  const isMeant = ({ names }: Point) => names.includes(name);
  const known = async () => [
    // What is named like an id would not be found by that name.
    ...points.flatMap(({ names, at }) =>
      names.filter((one) => !isPointId(one)).map((one) => ({ name: one, at })),
    ),
    ...(await knownIds(view, store)),
  ];
  return { found: points.filter(isMeant), known };
}

async function pointsOfId(
  view: RepositoryView,
  store: ObjectStore,
  name: string,
  id: PointId,
): Promise<NamedPoint[]> {
  const isIt = (point: Point) => point.id === name;
  switch (id.of) {
    case "catalog":
      return (await catalogPoints(view)).points.filter(isIt);
    case "pin":
      return (await view.pins()).map(pointOfPin).filter(isIt);
    case "mark": {
      const names = (await listMarkNames(store)).filter((one) => one.id === id.key);
      return Promise.all(names.map(async (one) => pointOfMark(await readMark(store, one.name))));
    }
    case "operation":
      return (await operationPoints(store, id.key)).filter(isIt);
    case "drill": {
      const isDrill = (one: string) => parseDrillName(one)?.unique === id.key;
      const names = (await listDrills(store)).filter(isDrill);
      return Promise.all(names.map(async (one) => pointOfDrill(await readDrill(store, one))));
    }
    case "burst": {
      const { kind, from } = id;
      const tables = [...(await view.coverage()).tables.keys()];
      const isKnown = tables.some((table) => burstId(kind, table, from) === name);
      return isKnown ? [{ id: name, at: from, before: from - 1 }] : [];
    }
  }
}

/** The points that have names: of operations only the one whose id is `name`. */
async function pointsWithNames(
  view: RepositoryView,
  store: ObjectStore,
  name: string,
): Promise<Point[]> {
  return [
    ...(await listMarks(store)).map(pointOfMark),
    ...(await view.pins()).map(pointOfPin),
    ...(await operationPoints(store, name)),
    ...(await catalogPoints(view)).points,
  ];
}

async function operationPoints(store: ObjectStore, id: string): Promise<Point[]> {
  const names = (await listOperationNames(store)).filter((one) => one.id === id && one.round === 1);
  return Promise.all(
    names.map(async ({ name }) => pointOfOperation(await readOperation(store, name))),
  );
}

/** What the listings and the catalog know. An operation stands by its own id: its name does not say what it was. */
async function knownIds(view: RepositoryView, store: ObjectStore): Promise<KnownName[]> {
  const marks = (await listMarkNames(store)).map(({ id, at }) => ({ name: `mark-${id}`, at }));
  const operations = (await listOperationNames(store)).filter(({ round }) => round === 1);
  const drills = (await listDrills(store)).flatMap((name) => parseDrillName(name) ?? []);
  const { points } = await catalogPoints(view);
  return [
    ...marks,
    ...(await view.pins()).map(({ name, at }) => ({ name: `pin-${name}`, at })),
    ...operations.map(({ id, made }) => ({ name: id, at: made })),
    ...drills.map(({ unique, ended }) => ({ name: `drill-${unique}`, at: ended })),
    ...points.map(({ id, at }) => ({ name: id, at })),
  ];
}
