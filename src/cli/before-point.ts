/** Finds the last instant before a point that is named by its id, a mark's text, a pin's name or an operation's id. */
import { mostSimilar } from "../configuration/similar.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { commonStore } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import {
  catalogPoints,
  drillPoints,
  instantOfBurst,
  notedPoints,
  type Point,
} from "../recovery/points.js";
import { lookAt } from "../repository/repository-view.js";

/** So many names are advised when none fits. */
const advisedMax = 5;
const ever = Number.MAX_SAFE_INTEGER;

export async function beforePoint(name: string, repository: Repository): Promise<Instant> {
  const burst = instantOfBurst(name);
  if (burst !== undefined) return burst - 1;
  const store = commonStore(repository);
  return lookAt(repository, async (view) => {
    const noted = await notedPoints(view, store, 0, ever);
    if (name.startsWith("drill-")) noted.push(...(await drillPoints(store, 0, ever)));
    const found = namedPoint(noted, name);
    if (found) return found.before;
    const { points } = await catalogPoints(view);
    const changed = namedPoint(points, name);
    if (changed) return changed.before;
    throw unknownPoint(name, [...noted, ...points]);
  });
}

function namedPoint(points: readonly Point[], name: string): Point | undefined {
  const found = points.filter(({ id, names }) => id === name || names.includes(name));
  if (found.length < 2) return found[0];
  const ids = found.map(({ id, at }) => `before:${id} (${formatInstant(at)})`);
  throw new ThinkbackError("usage", `several points are called "${name}"`, {
    hint: `name one by its id: ${ids.join(", ")}`,
  });
}

function unknownPoint(name: string, points: readonly Point[]): ThinkbackError {
  const newestFirst = points.toSorted((a, b) => b.at - a.at);
  const known = newestFirst.flatMap(({ id, names }) => [...names, id]);
  const nearest = mostSimilar(name, known, advisedMax).map((one) => `before:${one}`);
  return new ThinkbackError("unknown", `there is no point "${name}"`, {
    hint:
      nearest.length === 0
        ? "nothing has a name yet; `thinkback points` lists what there is to choose"
        : `the nearest: ${nearest.join(", ")}; \`thinkback points\` lists all with their times`,
  });
}
