/** Collects what is wrong with stored objects. */
import { UnusableObject } from "../errors.js";
import type { Span } from "./spans.js";

export interface Finding {
  object: string;
  /** A sentence without its subject: "it is missing". */
  what: string;
  /** The time that the object covered, if its name is not known in full and so does not tell. */
  span: Span | undefined;
}

export class Findings {
  /** By the object's name: what was found first. */
  private readonly found = new Map<string, Finding>();

  has(object: string): boolean {
    return this.found.has(object);
  }

  add(object: string, what: string, span?: Span): void {
    if (!this.found.has(object)) this.found.set(object, { object, what, span });
  }

  /** Runs `work`. Its error about an object that cannot be used becomes a finding, and the result is undefined. */
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
    for (const { object, what, span } of others.found.values()) this.add(object, what, span);
  }

  /** In the order of names. */
  all(): Finding[] {
    return [...this.found.keys()].sort().map((object) => this.found.get(object)!);
  }

  get count(): number {
    return this.found.size;
  }
}
