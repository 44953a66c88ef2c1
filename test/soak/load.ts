/** The steady load: writers that keep a rate, and know what they wrote. */
import { digestOf } from "../../src/digest.js";
import { order } from "../bench/orders.js";
import { Ledger } from "../endtoend/ledger.js";
import { canonicalJson, seededRandom } from "../endtoend/workload.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";

export const db = "soak";

/** Of a table; each has a connection and keys of its own. */
const writersPerTable = 4;

/** A writer that is further behind than this writes on from now: the rate that was reached is reported. */
const behindMsMax = 1000;

type Document = ReturnType<typeof order>;

export class LoadedTable {
  /** Holds digests in place of documents. */
  readonly ledger = new Ledger();
  /** Writes acknowledged since the first documents were there; `bytes` of all documents sent, the first ones too. */
  readonly counts = { inserts: 0, updates: 0, deletes: 0, bytes: 0 };
  private writers: LoadWriter[] = [];

  private constructor(readonly name: string) {}

  static async make(
    connection: DriverConnection,
    name: string,
    documents: number,
    seed: number,
    connect: () => Promise<DriverConnection>,
  ): Promise<LoadedTable> {
    await r.db(db).tableCreate(name).run(connection);
    const table = new LoadedTable(name);
    for (let writer = 0; writer < writersPerTable; writer += 1) {
      const own = Math.ceil(documents / writersPerTable);
      const random = seededRandom(1000 * seed + writer);
      table.writers.push(new LoadWriter(table, await connect(), writer, own, random));
    }
    for (const writer of table.writers) await writer.load();
    return table;
  }

  get changes(): number {
    const { inserts, updates, deletes } = this.counts;
    return inserts + updates + deletes;
  }

  /** @param rate changes a second, of all its writers */
  async writeUntil(signal: AbortSignal, rate: number): Promise<void> {
    const pauseMs = (1000 * writersPerTable) / rate;
    await Promise.all(this.writers.map((writer) => writer.writeUntil(signal, pauseMs)));
  }
}

/** Writes to a fifth more keys than it has documents, so that about as many are inserted as are deleted. */
class LoadWriter {
  private readonly documents = new Map<number, Document>();
  private readonly term: Term;

  constructor(
    private readonly table: LoadedTable,
    private readonly connection: DriverConnection,
    private readonly number: number,
    private readonly share: number,
    private readonly random: () => number,
  ) {
    this.term = r.db(db).table(table.name);
  }

  async load(): Promise<void> {
    for (let at = 0; at < this.share; at += 500) {
      const batch = Array.from({ length: Math.min(500, this.share - at) }, (_, i) =>
        this.made(at + i),
      );
      const acknowledge = batch.map((document) => this.note(document.id, document));
      await this.run(this.term.insert(r.json(JSON.stringify(batch))));
      for (const done of acknowledge) done();
    }
  }

  async writeUntil(signal: AbortSignal, pauseMs: number): Promise<void> {
    let due = Date.now() + pauseMs * this.random();
    while (!signal.aborted) {
      const wait = due - Date.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      if (signal.aborted) break;
      await this.writeOne();
      due = Math.max(due + pauseMs, Date.now() - behindMsMax);
    }
    await this.connection.close();
  }

  private async writeOne(): Promise<void> {
    const { counts } = this.table;
    const number = Math.floor(this.random() * this.share * 1.2);
    const known = this.documents.get(number);
    if (!known) {
      const document = this.made(number);
      const acknowledge = this.note(document.id, document);
      await this.run(this.term.insert(r.json(JSON.stringify(document))));
      acknowledge();
      counts.inserts += 1;
    } else if (this.random() < 0.2) {
      this.documents.delete(number);
      const acknowledge = this.note(known.id, null);
      await this.run(this.term.get(known.id).delete());
      acknowledge();
      counts.deletes += 1;
    } else {
      const { lines, note } = order(number, this.random);
      const document: Document = { ...known, lines, note };
      this.documents.set(number, document);
      const acknowledge = this.note(known.id, document);
      await this.run(this.term.get(known.id).update(r.json(JSON.stringify({ lines, note }))));
      acknowledge();
      counts.updates += 1;
    }
  }

  private made(number: number): Document {
    const document = { ...order(number, this.random), id: `writer-${this.number}-${number}` };
    this.documents.set(number, document);
    return document;
  }

  private note(id: string, document: Document | null): () => void {
    const text = document && canonicalJson(document);
    this.table.counts.bytes += text?.length ?? 0;
    return this.table.ledger.send(canonicalJson(id), text && digestText(text), Date.now);
  }

  private async run(term: Term): Promise<void> {
    const summary = await term.run(this.connection, { durability: "soft" });
    const { errors, first_error: first } = summary as { errors: number; first_error?: string };
    if (errors > 0) throw new Error(first);
  }
}

export function digestText(text: string): string {
  return digestOf(Buffer.from(text));
}
