/**
 * The book of alarms as it is stored in the repository. What changes it is applied at once, and stored as soon as the
 * store takes it. If another process has stored something meanwhile, the changes are applied anew to that.
 *
 * Invariant: what was stored by whomever stays in the book, and what was applied here is in it. Break it and a silence,
 * or a notice, is lost when the store comes back.
 */
import type { Clock } from "../clock.js";
import { isDamage } from "../errors.js";
import { alarmsPrefix, parseNumberedName } from "../format/names.js";
import {
  type AlarmsRecord,
  alarmsKind,
  putAlarms,
  readAlarms,
} from "../repository/registers/alarms.js";
import { readNumberedIfThere } from "../repository/registers/numbered.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Book, emptyBook } from "./book.js";

/** A change of the book: pure, and it may be applied again to another book. */
export type Change = (book: Book) => Book;

const none: AlarmsRecord = { ...emptyBook, number: 0, at: 0 };

export class KeptBook {
  private stored = none;
  private current: Book = emptyBook;
  private changes: Change[] = [];

  constructor(
    private readonly store: ObjectStore,
    private readonly clock: Pick<Clock, "now">,
  ) {}

  get book(): Book {
    return this.current;
  }

  /** True if everything that was applied is stored. */
  get isStored(): boolean {
    return this.changes.length === 0;
  }

  /** True if a notice is stored: whoever goes on after this process knows of it. */
  has(id: string): boolean {
    return this.stored.notices.some((one) => one.id === id);
  }

  apply(change: Change): void {
    const next = change(this.current);
    if (next === this.current) return;
    this.current = next;
    this.changes.push(change);
  }

  /** Takes over what others have stored. */
  async read(): Promise<void> {
    this.take(await this.newest());
  }

  /** The same, with one request if nobody has stored anything. */
  async readIfNew(): Promise<void> {
    const { store } = this;
    const next = await readNumberedIfThere(store, alarmsPrefix, this.stored.number + 1, alarmsKind);
    if (next) await this.read();
  }

  /** Stores what was applied. */
  async keep(): Promise<void> {
    while (this.changes.length > 0) {
      const count = this.changes.length;
      const record: AlarmsRecord = {
        number: this.stored.number + 1,
        at: this.clock.now(),
        ...contentOf(this.current),
      };
      if (await putAlarms(this.store, record)) {
        this.changes = this.changes.slice(count);
        this.take(record);
      } else await this.read();
    }
  }

  private take(record: AlarmsRecord): void {
    this.stored = record;
    let book = contentOf(record);
    this.changes = this.changes.filter((change) => {
      const next = change(book);
      const isNews = next !== book;
      book = next;
      return isNews;
    });
    this.current = book;
  }

  /** A record that cannot be read is passed over: what it said is lost, and alarms are raised anew. */
  private async newest(): Promise<AlarmsRecord> {
    try {
      return (await readAlarms(this.store)) ?? none;
    } catch (error) {
      if (!isDamage(error)) throw error;
      let number = 0;
      for await (const { name } of this.store.list(alarmsPrefix)) {
        number = Math.max(number, parseNumberedName(alarmsPrefix, name) ?? 0);
      }
      return { ...none, number };
    }
  }
}

function contentOf({ open, silences, notices, digested }: Book): Book {
  return { open, silences, notices, ...(digested === undefined ? {} : { digested }) };
}
