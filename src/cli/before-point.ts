/** Finds the last instant before a point that is named by its id, a mark's text, a pin's name or an operation's id. */

import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { commonStore } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { type KnownName, type NamedPoint, pointsNamed } from "../recovery/named-point.js";
import { lookAt } from "../repository/repository-view.js";
import { mostSimilar } from "../similar.js";

/** So many names are advised when none fits. */
const advisedMax = 5;

export async function beforePoint(name: string, repository: Repository): Promise<Instant> {
  const store = commonStore(repository);
  return lookAt(repository, async (view) => {
    const { found, known } = await pointsNamed(view, store, name);
    const [point, other] = found;
    if (!point) throw unknownPoint(name, await known());
    if (other) throw unclear(name, found);
    return point.before;
  });
}

/** A point that has this name; undefined if none has. */
export async function pointNamed(
  name: string,
  repository: Repository,
): Promise<NamedPoint | undefined> {
  const store = commonStore(repository);
  return lookAt(repository, async (view) => (await pointsNamed(view, store, name)).found[0]);
}

function unclear(name: string, found: readonly NamedPoint[]): ThinkbackError {
  const ids = found.map(({ id, at }) => `before:${id} (${formatInstant(at)})`);
  return new ThinkbackError("usage", `several points are called "${name}"`, {
    hint: `name one by its id, or give its time: ${ids.join(", ")}`,
  });
}

function unknownPoint(name: string, known: readonly KnownName[]): ThinkbackError {
  const newestFirst = known.toSorted((a, b) => b.at - a.at).map((one) => one.name);
  const nearest = mostSimilar(name, newestFirst, advisedMax).map((one) => `before:${one}`);
  return new ThinkbackError("unknown", `there is no point "${name}"`, {
    hint:
      nearest.length === 0
        ? "nothing has a name yet; `thinkback points` lists what there is to choose"
        : `the nearest: ${nearest.join(", ")}; \`thinkback points\` lists all with their times`,
  });
}
