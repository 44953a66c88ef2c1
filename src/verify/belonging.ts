/** Whether all objects are of one repository: each of the larger ones names its id. */
import type { RepositoryDescription } from "../format/description.js";
import { repositoryName } from "../format/names.js";
import type { Findings } from "./findings.js";

/** Of objects that are of another repository, so many are named. */
const namesMax = 1000;

export class Belonging {
  private readonly byId = new Map<string, { count: number; names: string[] }>();

  note(name: string, repository: string): void {
    let of = this.byId.get(repository);
    if (!of) this.byId.set(repository, (of = { count: 0, names: [] }));
    of.count += 1;
    if (of.names.length < namesMax) of.names.push(name);
  }

  /** Most objects decide which repository this is; the others, and the description if it is among them, are strange. */
  settle(description: RepositoryDescription | undefined, findings: Findings): void {
    const [most] = [...this.byId].sort(([, a], [, b]) => b.count - a.count);
    if (!most) return;
    if (description && description.id !== most[0]) {
      findings.add(repositoryName, `its id is ${description.id}, the other objects' is ${most[0]}`);
    }
    for (const [id, { names }] of this.byId) {
      if (id === most[0]) continue;
      for (const name of names) findings.add(name, `it belongs to another repository, ${id}`);
    }
  }
}
