import { type DriverConnection, r } from "../server/driver.js";
import type { Ledger } from "./ledger.js";

/** A small seeded generator (mulberry32): the same seed gives the same workload. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** JSON text with sorted fields, so that two texts of one document are equal. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** A document of mixed types, in the form in which the server gives it back. */
export function mixedDocument(id: unknown, version: number, random: () => number): object {
  const note = Array.from({ length: 3 + Math.floor(random() * 20) }, () =>
    Math.floor(random() * 36 ** 6).toString(36),
  ).join(" ");
  return {
    id,
    version,
    amount: Math.round(random() * 1e6) / 100,
    customer: `customer-${Math.floor(random() * 50)}`,
    note,
    paid: random() < 0.5,
    when: {
      $reql_type$: "TIME",
      epoch_time: 1_700_000_000 + Math.floor(random() * 1e6),
      timezone: "+00:00",
    },
    place: {
      $reql_type$: "GEOMETRY",
      coordinates: [Math.round(random() * 90), Math.round(random() * 90)],
      type: "Point",
    },
    blob: { $reql_type$: "BINARY", data: Buffer.from(note.slice(0, 9)).toString("base64") },
    nested: { list: [1, [2, null], { deep: note.length }], "": 'é\n"' },
  };
}

/** The keys of writer `writer`: strings, numbers and arrays. */
export function keyOf(writer: number, number: number): unknown {
  switch (number % 3) {
    case 0:
      return `w${writer}-${String(number).padStart(7, "0")}`;
    case 1:
      return writer * 10_000_000 + number;
    default:
      return [`w${writer}`, number];
  }
}

export interface WorkloadOptions {
  db: string;
  table: string;
  writer: number;
  /** Keys to begin with. */
  documents: number;
  seed: number;
  ledger: Ledger;
}

/** One writer: its keys are its own, and it does one write of a key at a time. */
export class Writer {
  private readonly random: () => number;
  private version = 0;
  private next: number;
  private readonly table;

  constructor(
    private readonly connection: DriverConnection,
    private readonly options: WorkloadOptions,
  ) {
    this.random = seededRandom(options.seed);
    this.next = options.documents;
    this.table = r.db(options.db).table(options.table);
  }

  /** Inserts the first documents, in batches. */
  async load(): Promise<void> {
    const { documents, writer, ledger } = this.options;
    for (let at = 0; at < documents; at += 500) {
      const batch = Array.from({ length: Math.min(500, documents - at) }, (_, i) =>
        this.document(keyOf(writer, at + i)),
      );
      const acknowledge = batch.map((document) => this.note(document, ledger));
      await this.table
        .insert(r.json(JSON.stringify(batch)))
        .run(this.connection, { durability: "soft" });
      for (const done of acknowledge) done();
    }
  }

  /** Writes until the signal aborts, `pauseMs` between writes; returns how many. */
  async write(signal: AbortSignal, pauseMs = 0): Promise<number> {
    let writes = 0;
    while (!signal.aborted) {
      await this.writeOne();
      writes += 1;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    return writes;
  }

  /** One insert, update, replace or delete. Rejects if it was not acknowledged. */
  async writeOne(): Promise<void> {
    const { writer, ledger } = this.options;
    const choice = this.random();
    const key =
      choice < 0.2
        ? keyOf(writer, this.next++)
        : keyOf(writer, Math.floor(this.random() * this.next));
    if (choice > 0.85) {
      const acknowledge = ledger.send(canonicalJson(key), null, Date.now);
      await this.table.get(key).delete().run(this.connection, { durability: "soft" });
      acknowledge();
      return;
    }
    const document = this.document(key);
    const acknowledge = this.note(document, ledger);
    const text = r.json(JSON.stringify(document));
    const term =
      choice < 0.5
        ? this.table.get(key).replace(text)
        : this.table.insert(text, { conflict: "replace" });
    await term.run(this.connection, { durability: "soft" });
    acknowledge();
  }

  private document(key: unknown): object {
    this.version += 1;
    return mixedDocument(key, this.version, this.random);
  }

  private note(document: object, ledger: Ledger): () => void {
    const { id } = document as { id: unknown };
    return ledger.send(canonicalJson(id), canonicalJson(document), Date.now);
  }
}

/** A table's documents by key, both as canonical JSON. */
export async function readTable(
  connection: DriverConnection,
  db: string,
  table: string,
  options: { readMode?: "majority" } = {},
): Promise<Map<string, string>> {
  const rows = (await r
    .db(db)
    .table(table, options)
    .map((document: ReturnType<typeof r.expr>) => document.toJsonString())
    .coerceTo("array")
    .run(connection, { arrayLimit: 10_000_000 })) as string[];
  return new Map(
    rows.map((text) => {
      const document = JSON.parse(text) as { id: unknown };
      return [canonicalJson(document.id), canonicalJson(document)];
    }),
  );
}
