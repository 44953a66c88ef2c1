/** What is wrong with stored objects, as it is found. */
import { UnusableObject } from "../errors.js";

export class Findings {
  /** By the object's name; what was found first. */
  private readonly found = new Map<string, string>();

  has(object: string): boolean {
    return this.found.has(object);
  }

  add(object: string, what: string): void {
    if (!this.found.has(object)) this.found.set(object, what);
  }

  /** Runs `work`; what it throws of an object that cannot be used becomes a finding, and its result undefined. */
  async during<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UnusableObject)) throw error;
      this.add(error.object, error.what);
      return undefined;
    }
  }

  /** Takes over what other findings say. */
  addAll(others: Findings): void {
    for (const [object, what] of others.found) this.add(object, what);
  }

  /** In the order of names. */
  all(): { object: string; what: string }[] {
    const names = [...this.found.keys()].sort();
    return names.map((object) => ({ object, what: this.found.get(object)! }));
  }

  get count(): number {
    return this.found.size;
  }
}
