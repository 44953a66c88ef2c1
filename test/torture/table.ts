/** One table of the torture, under whatever name it has, and what its writers know of their writes. */
import type { Book } from "../endtoend/ledger.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import type { Gate } from "./gate.js";

export const db = "torture";

export class TortureTable<B extends Book = Book> {
  readonly born: number = Date.now();
  died: number | undefined;
  /** When the source was last seen to have what it had acknowledged. */
  audited: number = this.born;
  writes = 0;
  refused = 0;
  /** Whether it has a replica on every server, but for a few seconds. */
  isSpread = false;
  /** The seconds in which writes were acknowledged. */
  private readonly served = new Set<number>();
  /** Names since when; and stretches in which capture may know another name than the server. */
  readonly names: { name: string; since: number }[];
  readonly unsettled: { from: number; to: number }[] = [];

  private constructor(
    readonly id: string,
    name: string,
    readonly book: B,
  ) {
    this.names = [{ name, since: this.born }];
  }

  static async make<B extends Book>(
    connection: DriverConnection,
    name: string,
    book: B,
  ): Promise<TortureTable<B>> {
    await r.db(db).tableCreate(name).run(connection);
    const id = (await r.db(db).table(name).info()("id").run(connection)) as string;
    return new TortureTable(id, name, book);
  }

  noteWritten(documents: number): void {
    this.writes += documents;
    this.served.add(Math.floor(Date.now() / 1000));
  }

  /** In how many seconds between two instants writes were acknowledged. */
  servedSeconds(from: number, to: number): number {
    return [...this.served].filter((second) => second * 1000 >= from && second * 1000 < to).length;
  }

  get name(): string {
    return this.names.at(-1)!.name;
  }

  get term(): Term {
    return r.db(db).table(this.name);
  }

  /** The name at an instant; undefined where it cannot be said, or the table did not exist. */
  nameAt(instant: number): string | undefined {
    if (instant < this.born || (this.died !== undefined && instant > this.died)) return undefined;
    if (this.unsettled.some(({ from, to }) => from <= instant && instant <= to)) return undefined;
    return this.names.findLast(({ since }) => since <= instant)?.name;
  }
}

export interface Slot<B extends Book = Book> {
  /** What stands under the slot now; a drop puts another table here. */
  table: TortureTable<B>;
  readonly gate: Gate;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
