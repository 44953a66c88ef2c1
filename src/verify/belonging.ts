/** Checks that all objects belong to one repository: each of the larger ones names the repository's id. */
import type { RepositoryDescription } from "../format/description.js";
import { repositoryName } from "../format/names.js";
import type { Findings } from "./findings.js";

/** At most so many objects are remembered by name for each id. */
const namesMax = 1000;

export class Belonging {
  private readonly byId = new Map<string, { count: number; names: string[] }>();

  note(name: string, repository: string): void {
    let known = this.byId.get(repository);
    if (!known) this.byId.set(repository, (known = { count: 0, names: [] }));
    known.count += 1;
    if (known.names.length < namesMax) known.names.push(name);
  }

  /** The id that most objects name is the repository's. Objects and a description with another id become findings. */
  settle(description: RepositoryDescription | undefined, findings: Findings): void {
    const [most] = [...this.byId].sort(([, a], [, b]) => b.count - a.count);
    if (!most) return;
    if (description && description.id !== most[0]) {
      findings.add(
        repositoryName,
        `its id is ${description.id}, but that of the other objects is ${most[0]}`,
      );
    }
    for (const [id, { names }] of this.byId) {
      if (id === most[0]) continue;
      for (const name of names) findings.add(name, `it belongs to another repository, ${id}`);
    }
  }
}
