/** One table of the torture, under whatever name it has: its writers, and what they know of their writes. */
import { Ledger } from "../endtoend/ledger.js";
import { canonicalJson, keyOf, mixedDocument, seededRandom } from "../endtoend/workload.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";

export const db = "torture";

/** Lets work through until it is closed; closing waits for what is inside. */
export class Gate {
  private inside = 0;
  private opening: Promise<void> | undefined;
  private open: () => void = () => undefined;
  private emptied: () => void = () => undefined;

  async pass<T>(work: () => Promise<T>): Promise<T> {
    while (this.opening) await this.opening;
    this.inside += 1;
    try {
      return await work();
    } finally {
      this.inside -= 1;
      if (this.inside === 0) this.emptied();
    }
  }

  /** Runs `work` while nothing else is inside. */
  async alone(work: () => Promise<void>): Promise<void> {
    this.opening = new Promise((resolve) => {
      this.open = resolve;
    });
    try {
      if (this.inside > 0) {
        await new Promise<void>((resolve) => {
          this.emptied = resolve;
        });
      }
      await work();
    } finally {
      this.opening = undefined;
      this.open();
    }
  }
}

export class TortureTable {
  readonly ledger = new Ledger();
  readonly born: number = Date.now();
  died: number | undefined;
  writes = 0;
  refused = 0;
  /** Names since when; and stretches in which capture may know another name than the server. */
  readonly names: { name: string; since: number }[];
  readonly unsettled: { from: number; to: number }[] = [];

  private constructor(
    readonly id: string,
    name: string,
  ) {
    this.names = [{ name, since: this.born }];
  }

  static async make(connection: DriverConnection, name: string): Promise<TortureTable> {
    await r.db(db).tableCreate(name).run(connection);
    const id = (await r.db(db).table(name).info()("id").run(connection)) as string;
    return new TortureTable(id, name);
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

  async load(connection: DriverConnection, writer: number, documents: number): Promise<void> {
    const random = seededRandom(writer);
    for (let at = 0; at < documents; at += 500) {
      const batch = Array.from({ length: Math.min(500, documents - at) }, (_, i) =>
        mixedDocument(keyOf(writer, at + i), 0, random),
      );
      const acknowledge = batch.map((document) => this.note(document, false));
      await this.term.insert(r.json(JSON.stringify(batch))).run(connection);
      for (const done of acknowledge) done();
    }
  }

  /** One insert, replace or delete of a key of `writer`. */
  async writeOne(
    connection: DriverConnection,
    writer: number,
    keys: number,
    version: number,
    random: () => number,
  ): Promise<void> {
    const soft = random() < 0.5;
    const options = { durability: soft ? "soft" : "hard" };
    const key = keyOf(writer, Math.floor(random() * keys));
    if (random() < 0.15) {
      const acknowledge = this.ledger.send(canonicalJson(key), null, Date.now, soft);
      await this.term.get(key).delete().run(connection, options);
      acknowledge();
    } else {
      const document = mixedDocument(key, version, random);
      const acknowledge = this.note(document, soft);
      const text = r.json(JSON.stringify(document));
      const summary = await this.term
        .insert(text, { conflict: "replace" })
        .run(connection, options);
      if ((summary as { errors: number }).errors > 0) throw new Error(JSON.stringify(summary));
      acknowledge();
    }
    this.writes += 1;
  }

  private note(document: object, soft: boolean): () => void {
    const { id } = document as { id: unknown };
    return this.ledger.send(canonicalJson(id), canonicalJson(document), Date.now, soft);
  }
}

export interface Slot {
  /** What stands under the slot now; a drop puts another table here. */
  table: TortureTable;
  readonly gate: Gate;
  readonly documents: number;
}

/** Writes until the signal aborts; connects anew when the connection is lost. Pauses a little after each write. */
export async function writeUntil(
  signal: AbortSignal,
  connect: () => Promise<DriverConnection>,
  slot: Slot,
  writer: number,
  pauseMs: number,
): Promise<void> {
  const random = seededRandom(1000 + writer);
  let connection: DriverConnection | undefined;
  for (let version = 1; !signal.aborted; version += 1) {
    try {
      connection ??= await connect();
      const open = connection;
      await slot.gate.pass(() => {
        const keys = Math.floor(slot.documents * 1.3);
        return slot.table.writeOne(open, writer, keys, version, random);
      });
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      slot.table.refused += 1;
      await connection?.close().catch((closing: unknown) => noteClosing(closing));
      connection = undefined;
      await pause(100);
    }
    await pause(pauseMs * 2 * random());
  }
  await connection?.close().catch((closing: unknown) => noteClosing(closing));
}

/** Closing a connection that the server has closed already is an error of the driver, and of no interest. */
function noteClosing(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
