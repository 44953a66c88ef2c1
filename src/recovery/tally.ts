/** Counts what becomes of documents, so that a person sees what is deleted before it is. */
import type { DocumentChange } from "../repository/records/operations.js";

/** At most so many keys of deleted documents are named. */
const namedMax = 5;

export class Tally {
  documents = 0;
  /** Of the documents as they are and as they become. */
  bytes = 0;
  /** Documents that were made since, and go; and those that were deleted since, and come back. */
  deleted = 0;
  broughtBack = 0;
  /** JSON texts of the first keys of those that go. */
  readonly firstDeleted: Buffer[] = [];

  add({ key, before, after }: Pick<DocumentChange, "key" | "before" | "after">): void {
    this.documents += 1;
    this.bytes += (before?.length ?? 0) + (after?.length ?? 0);
    if (before === null) this.broughtBack += 1;
    if (after !== null) return;
    this.deleted += 1;
    if (this.firstDeleted.length < namedMax) this.firstDeleted.push(Buffer.from(key));
  }

  /** Documents that are there before and after. */
  get changed(): number {
    return this.documents - this.deleted - this.broughtBack;
  }

  static sumOf(all: readonly Tally[]): Tally {
    const sum = new Tally();
    for (const one of all) {
      sum.documents += one.documents;
      sum.bytes += one.bytes;
      sum.deleted += one.deleted;
      sum.broughtBack += one.broughtBack;
      sum.firstDeleted.push(...one.firstDeleted.slice(0, namedMax - sum.firstDeleted.length));
    }
    return sum;
  }
}
