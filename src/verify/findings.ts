/** Collects what is wrong with stored objects. */
import { UnusableObject } from "../errors.js";
import type { Span } from "./spans.js";

export interface Finding {
  object: string;
  /** A sentence without its subject: "it is missing". */
  what: string;
  /** The time that the object covered, if its name is not known in full and so does not tell. */
  span: Span | undefined;
  /** In a sealed repository: only its keys and digests are wrong, and all of its documents can be restored. */
  isOfKeys?: true;
}

export class Findings {
  /** By the object's name: what was found first. */
  private readonly found = new Map<string, Finding>();

  has(object: string): boolean {
    return this.found.has(object);
  }

  add(object: string, what: string, span?: Span): void {
    this.take({ object, what, span });
  }

  private take(finding: Finding): void {
    const known = this.found.get(finding.object);
    // What is wrong with the keys alone must not hide that the object cannot be used at all.
    if (!known || (known.isOfKeys && !finding.isOfKeys)) this.found.set(finding.object, finding);
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

  /** The same of work that concerns keys and digests alone, beside documents that are whole. */
  async ofKeys(work: () => Promise<void>): Promise<void> {
    const own = new Findings();
    await own.during(work);
    for (const finding of own.found.values()) this.take({ ...finding, isOfKeys: true });
  }

  /** Takes over what other findings say. */
  addAll(others: Findings): void {
    for (const finding of others.found.values()) this.take(finding);
  }

  /** In the order of names. */
  all(): Finding[] {
    return [...this.found.keys()].sort().map((object) => this.found.get(object)!);
  }

  get count(): number {
    return this.found.size;
  }
}
