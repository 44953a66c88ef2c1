import { systemClock } from "../clock.js";
import { commonStore, type Repository } from "../format/description.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import { type Activity, readActivity } from "../recovery/activity.js";
import { type FoldedPoints, foldPoints, likeliest } from "../recovery/folded-points.js";
import {
  catalogPoints,
  drillPoints,
  notedPoints,
  type Point,
  pointOfBurst,
} from "../recovery/points.js";
import { openRepository } from "../repository/repository.js";
import { lookAt, type RepositoryView } from "../repository/repository-view.js";
import { liveNameOf } from "../restore/beside.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { instantOf, refuseReversed } from "./instant-of.js";
import {
  counted,
  formatCount,
  formatNames,
  formatTable,
  isoOrNull,
  type Output,
} from "./output.js";
import { ProgressLines } from "./progress.js";
import { tableThen } from "./table-then.js";

export interface PointsArguments {
  repo: Repos;
  from?: string;
  to?: string;
  all?: boolean;
  withoutBursts?: boolean;
}

const defaultMs = 7 * 86_400_000;

interface Found {
  /** In the order of time. */
  points: Point[];
  /** Undefined if the log was not read for it. */
  activity: Activity | undefined;
  from: Instant;
  to: Instant;
}

/** @param name "db.table"; points of all tables if undefined */
export async function pointsCommand(
  name: string | undefined,
  args: PointsArguments,
  output: Output,
): Promise<void> {
  const repository = await openRepository(await copiesAt(args.repo, output));
  refuseWithoutReader(repository.store);
  const now = systemClock.now();
  const to = args.to === undefined ? undefined : await instantOf(args.to, repository, now);
  const from = args.from === undefined ? undefined : await instantOf(args.from, repository, now);
  if (from !== undefined) {
    refuseReversed({ text: args.from!, at: from }, { text: args.to ?? "now", at: to ?? now }, now);
  }
  const progress = new ProgressLines();
  progress.set("points", "reading the log…");
  const found = await lookAt(repository, async (view): Promise<Found> => {
    const end = to ?? Math.max(now, (await view.lastInstant()) ?? now);
    const begin = from ?? Math.max(end - defaultMs, beginning(view) ?? 0);
    return pointsIn(view, repository, name, { from: begin, to: end, bursts: !args.withoutBursts });
  });
  progress.clear();
  // Whoever names such a table wants its points.
  const wantsCopies = args.all === true || liveNameOf(name?.split(".")[1] ?? "") !== undefined;
  print(name, found, foldPoints(found.points, wantsCopies), output);
}

const beginning = (view: RepositoryView): Instant | undefined => {
  const first = view.lanes.flatMap(({ log }) => log.pieces[0]?.from ?? []);
  return first.length > 0 ? Math.min(...first) : undefined;
};

async function pointsIn(
  view: RepositoryView,
  repository: Repository,
  name: string | undefined,
  { from, to, bursts }: Pick<Found, "from" | "to"> & { bursts: boolean },
): Promise<Found> {
  const store = commonStore(repository);
  const { points, names } = await catalogPoints(view);
  const id = name === undefined ? undefined : (await tableThen(view, name, undefined, to)).id;
  const activity = bursts ? await readActivity(view, id, from, to, store) : undefined;
  const all = [
    ...points,
    ...(activity?.bursts ?? []).map((burst) => pointOfBurst(burst, names)),
    ...(await notedPoints(view, store, from, to)),
    ...(await drillPoints(store, from, to)),
  ];
  // By the id, those from before it was renamed; by the name, those of one that had the name before it.
  const isAbout = ({ table, tableId, tables, tableIds }: Point) => {
    if (tables) return tables.includes(name!) || tableIds!.includes(id!);
    return table === undefined || table === name || tableId === id;
  };
  const isWanted = (point: Point) =>
    from <= point.at && point.at <= to && (name === undefined || isAbout(point));
  return { points: all.filter(isWanted).sort((a, b) => a.at - b.at), activity, from, to };
}

function print(
  name: string | undefined,
  { activity, from, to }: Found,
  { points, folded, ofCopies }: FoldedPoints,
  output: Output,
): void {
  const none = { changes: [], spanMs: 0, spread: [], unread: [] };
  const { changes, spanMs, spread, unread } = activity ?? none;
  output.line(`${name ?? "all tables"}, ${formatInstant(from)} to ${formatInstant(to)}`);
  const most = Math.max(0, ...changes);
  if (most > 0) {
    output.line(`changes per ${formatDuration(spanMs)}, at most ${formatCount(most)}:`);
    output.line(barsOf(changes));
  }
  output.line("");
  output.line(
    points.length === 0
      ? "no points"
      : formatTable(
          ["time", "id", "table", "what"],
          points.map(({ at, id, table, tables, text }) => [
            formatInstant(at),
            id,
            table ?? (tables && formatNames(tables)) ?? "-",
            plain(text),
          ]),
        ),
  );
  if (ofCopies > 0) {
    output.line(
      `left out: ${counted(ofCopies, "point")} of tables beside live ones; --all lists them`,
    );
  }
  const point = likeliest(points);
  if (point) output.line(`\njust before ${point.id}: --at before:${point.id}`);
  for (const object of unread)
    output.note(`thinkback: ${object} is damaged; points in it are missing`);
  output.result({
    table: name ?? null,
    from: formatInstant(from),
    to: formatInstant(to),
    points: points.map(({ id, kind, at, before, burst, table, tables, text }) => ({
      id,
      kind,
      at: formatInstant(at),
      before: formatInstant(before),
      until: isoOrNull(burst?.to),
      count: burst?.count ?? null,
      table: table ?? (tables?.length === 1 ? tables[0] : null),
      tables: tables ?? null,
      text,
      folded: folded.get(id) ?? [],
    })),
    ofCopies,
    activity: activity
      ? { spanMs, changes: changes.map(Math.round), spread: spread.map(isoStretch) }
      : null,
    unread,
  });
}

const isoStretch = ({ from, to }: { from: Instant; to: Instant }) => ({
  from: formatInstant(from),
  to: formatInstant(to),
});

/** A mark's text comes from whoever may make marks: it must not move a terminal's cursor. */
export const plain = (text: string) => text.replace(/\p{Cc}/gu, "\ufffd");

const bars = "▁▂▃▄▅▆▇█";

/** A bar for each span; a blank where nothing changed. */
function barsOf(counts: readonly number[]): string {
  const most = Math.max(...counts);
  const bar = (count: number) =>
    count === 0 ? " " : bars[Math.min(bars.length - 1, Math.floor((count / most) * bars.length))];
  return counts.map(bar).join("");
}
