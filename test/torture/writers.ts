/** Those who write: documents of all kinds one by one, or rounds of a whole table. */
import type { Ledger } from "../endtoend/ledger.js";
import { canonicalJson, keyOf, mixedDocument, seededRandom } from "../endtoend/workload.js";
import { type DriverConnection, r } from "../server/driver.js";
import type { Rounds } from "./rounds.js";
import { pause, type Slot, type TortureTable } from "./table.js";

type Random = () => number;

/** How long a writer waits after a write that was not acknowledged. */
const strayMs = 1000;
/** A server that does not answer for so long is left for another one. */
const patienceMs = 8000;

export async function loadMixed(
  table: TortureTable<Ledger>,
  connection: DriverConnection,
  writer: number,
  documents: number,
): Promise<void> {
  const random = seededRandom(writer);
  for (let at = 0; at < documents; at += 500) {
    const batch = Array.from({ length: Math.min(500, documents - at) }, (_, i) =>
      mixedDocument(keyOf(writer, at + i), 0, random),
    );
    const acknowledge = batch.map((document) => note(table, document, false));
    await table.term.insert(r.json(JSON.stringify(batch))).run(connection);
    for (const done of acknowledge) done();
  }
}

/**
 * One insert, replace or delete of a key of `writer`. A key whose last write was not acknowledged is left alone for ever:
 * a server that stood still, or was cut off, may carry that write out much later, over whatever is written in between.
 */
export async function writeMixed(
  table: TortureTable<Ledger>,
  connection: DriverConnection,
  writer: number,
  keys: number,
  version: number,
  random: Random,
): Promise<void> {
  const soft = random() < 0.5;
  const options = { durability: soft ? "soft" : "hard" };
  const key = keyOf(writer, Math.floor(random() * keys));
  if (table.book.isOpen(canonicalJson(key))) return;
  if (random() < 0.15) {
    const acknowledge = table.book.send(canonicalJson(key), null, Date.now, soft);
    expectWritten(await inTime(table.term.get(key).delete().run(connection, options)));
    acknowledge();
  } else {
    const document = mixedDocument(key, version, random);
    const acknowledge = note(table, document, soft);
    const text = r.json(JSON.stringify(document));
    const insert = table.term.insert(text, { conflict: "replace" });
    expectWritten(await inTime(insert.run(connection, options)));
    acknowledge();
  }
  table.noteWritten(1);
}

function note(table: TortureTable<Ledger>, document: object, soft: boolean): () => void {
  const { id } = document as { id: unknown };
  return table.book.send(canonicalJson(id), canonicalJson(document), Date.now, soft);
}

export async function loadRounds(
  table: TortureTable<Rounds>,
  connection: DriverConnection,
): Promise<void> {
  const { documents } = table.book;
  const { round, acknowledge } = table.book.send();
  for (let at = 0; at < documents; at += 1000) {
    const batch = Array.from({ length: Math.min(1000, documents - at) }, (_, i) => {
      return { id: at + i, round, text: `document ${at + i} `.repeat(6) };
    });
    expectWritten(await table.term.insert(r.json(JSON.stringify(batch))).run(connection));
  }
  acknowledge();
}

/** Changes all documents in one update; or the one with this key, which is left alone as above. */
export async function writeRound(
  table: TortureTable<Rounds>,
  connection: DriverConnection,
  key?: number,
): Promise<void> {
  if (key !== undefined && table.book.isOpen(key)) return;
  const { round, acknowledge } = table.book.send(key);
  const term = key === undefined ? table.term : table.term.get(key);
  const written = term.update({ round }).run(connection, { durability: "hard" });
  expectWritten(await (key === undefined ? written : inTime(written)));
  acknowledge();
  table.noteWritten(key === undefined ? table.book.documents : 1);
}

/** @throws {Error} when there is no answer in time; one that comes later is not noticed */
function inTime(answer: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the server does not answer")), patienceMs);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

/** The server answers some failures of a write as numbers. */
function expectWritten(summary: unknown): void {
  if ((summary as { errors: number }).errors > 0) throw new Error(JSON.stringify(summary));
}

/**
 * Writes until the signal aborts; connects anew when the connection is lost. Pauses a little after each write.
 * @param write one write, on the slot's table as it is now
 */
export async function writeUntil(
  signal: AbortSignal,
  connect: () => Promise<DriverConnection>,
  slot: Slot,
  pauseMs: number,
  seed: number,
  write: (connection: DriverConnection, version: number, random: Random) => Promise<void>,
): Promise<void> {
  const random = seededRandom(seed);
  let connection: DriverConnection | undefined;
  for (let version = 1; !signal.aborted; version += 1) {
    try {
      connection ??= await connect();
      const open = connection;
      await slot.gate.pass(() => write(open, version, random));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      slot.table.refused += 1;
      leave(connection);
      connection = undefined;
      await pause(strayMs);
    }
    await pause(pauseMs * 2 * random());
  }
  leave(connection);
}

/** Nobody waits for the closing, which a server that stands still would hold up. Its error is of no interest. */
function leave(connection: DriverConnection | undefined): void {
  connection?.close({ noreplyWait: false }).catch(() => undefined);
}
