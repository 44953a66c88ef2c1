/**
 * Plans of operations as files: what exactly will be written to live tables. A plan can be read, approved, kept, and
 * carried out as it stands. It is one JSON object with one change on each line, so it may be larger than memory. Beside
 * the changes, each table has one line before them and one after them.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import * as v from "valibot";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { fieldName, JsonText } from "../json-bytes.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { type DocumentChange, operationTypes } from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { jsonOfText, textOfJson } from "../server-text.js";
import type { OperationHead } from "./operation.js";

/** What a plan is for. Its id is that of the operation that carries it out. */
export interface PlanHead extends OperationHead {
  made: number;
}

/** A table of a plan that is read. */
export interface PlannedTable {
  /** Id of the table, and "db.table". */
  id: string;
  name: string;
  documents: number;
  /** Where the lines of its changes are in the file: bytes, the end exclusive. */
  start: number;
  end: number;
}

export interface PlanRead extends PlanHead {
  tables: PlannedTable[];
  /** How long carrying it out was estimated to take, in seconds. */
  estimatedSeconds: number;
  /** The first documents with fields that were set to something else since; and how many there are. */
  conflicts: { table: string; key: unknown; paths: string[] }[];
  conflictCount: number;
  /** True if these are overwritten; else they are left out of the plan. */
  overwritten: boolean;
}

/** Version 1 was of one table. */
const version = 2;

const head = v.object({
  thinkback: v.literal("plan"),
  version: v.literal(version),
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/)),
  type: v.picklist(operationTypes),
  repository: v.string(),
  made: v.string(),
  description: v.string(),
});
const tableHead = v.object({
  table: v.string(),
  name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)),
});
const tail = v.object({
  estimate: v.object({ seconds: v.number() }),
  conflicts: v.array(v.object({ table: v.string(), key: v.unknown(), paths: v.array(v.string()) })),
  conflictCount: v.number(),
  overwritten: v.boolean(),
});
const versioned = v.object({ thinkback: v.literal("plan"), version: v.number() });

const linesBytes = 64 * 1024;

/** Writes a plan. It holds documents, so only its owner may read it. */
export class PlanWriter {
  private readonly hash = createHash("sha256");
  private waiting: string[] = [];
  private waitingBytes = 0;
  /** Tables, documents of the table that is written, and documents of all. */
  private tables = 0;
  private ofTable = 0;
  private documents = 0;

  private constructor(
    private readonly file: FileHandle,
    private readonly path: string,
  ) {}

  /** Throws, with code "usage", if the file exists or cannot be written. */
  static async create(path: string, of: PlanHead): Promise<PlanWriter> {
    let file: FileHandle;
    try {
      file = await open(path, "wx", 0o600);
    } catch (error) {
      throw new ThinkbackError("usage", `the plan ${path} cannot be written: ${messageOf(error)}`, {
        hint: "give --plan the path of a file that does not exist",
      });
    }
    const writer = new PlanWriter(file, path);
    const text = JSON.stringify({
      thinkback: "plan",
      version,
      ...of,
      made: formatInstant(of.made),
    });
    await writer.write(`${text.slice(0, -1)},"tables":[`);
    return writer;
  }

  /** Begins a table: what is added from now on is of it. */
  async begin({ id, db, name }: TableReference): Promise<void> {
    await this.endTable();
    const text = JSON.stringify({ table: id, name: `${db}.${name}` });
    const comma = this.tables > 0 ? "," : "";
    await this.write(`${comma}\n${text.slice(0, -1)},"changes":[`);
    this.tables += 1;
    this.ofTable = 0;
  }

  async add({ key, before, after }: DocumentChange): Promise<void> {
    const [keyText, live, becomes] = [key, before, after].map((text) =>
      text === null ? "null" : textOfJson(text),
    );
    const comma = this.ofTable > 0 ? "," : "";
    await this.write(`${comma}\n{"key":${keyText},"live":${live},"becomes":${becomes}}`);
    this.ofTable += 1;
    this.documents += 1;
  }

  /** @param more further members, for readers */
  async finish(more: object): Promise<void> {
    await this.endTable();
    const text = JSON.stringify({ documents: this.documents, ...more });
    await this.write(`\n],${text.slice(1, -1)}`);
    await this.flush();
    const checksum = this.hash.digest("hex");
    await this.file.write(`,"checksum":"${checksum}"}\n`);
    await this.file.sync();
    await this.file.close();
  }

  /** Removes the file again, because the plan could not be made. */
  async discard(): Promise<void> {
    try {
      await this.file.close();
    } finally {
      await rm(this.path, { force: true });
    }
  }

  private async endTable(): Promise<void> {
    if (this.tables > 0) await this.write(`\n],"documents":${this.ofTable}}`);
  }

  private async write(text: string): Promise<void> {
    this.waiting.push(text);
    this.waitingBytes += text.length;
    if (this.waitingBytes >= linesBytes) await this.flush();
  }

  private async flush(): Promise<void> {
    const bytes = Buffer.from(this.waiting.join(""));
    this.waiting = [];
    this.waitingBytes = 0;
    this.hash.update(bytes);
    await this.file.writeFile(bytes);
  }
}

/**
 * Reads what a plan says beside its changes, after a check of the whole file.
 * @throws {ThinkbackError} `usage` if it is not whole, of another version, or a table's changes are not in key order
 */
export async function readPlan(path: string): Promise<PlanRead> {
  let first: string | undefined;
  let last = "";
  const hash = createHash("sha256");
  let checksum: string | undefined;
  const tables: PlannedTable[] = [];
  for await (const { text, start, end } of linesOf(path)) {
    if (checksum !== undefined && text === "") continue;
    if (first !== undefined) hash.update("\n");
    first ??= text;
    last = text;
    checksum = update(hash, text);
    const open = tables.at(-1);
    if (text.startsWith('{"table":')) tables.push(tableOf(text, path, end));
    else if (open && text.startsWith('{"key":')) open.documents += 1;
    else if (open && text.startsWith('],"documents":')) open.end = Math.min(open.end, start);
  }
  if (first === undefined) throw refused(path, "it is empty");
  const isWhole = checksum !== undefined && hash.digest("hex") === checksum;
  const { made, thinkback: _, version: __, ...of } = headOf(first, path);
  if (!isWhole) throw refused(path, "it is cut off, or was changed after it was made");
  for (const table of tables) await refuseUnordered(path, table);
  const { estimate, ...conflicts } = parsedAs(tail, `{${last.replace(/^\],/, "")}`, path);
  const madeAt = parseInstant(made, Number.MAX_SAFE_INTEGER);
  return { ...of, made: madeAt, tables, estimatedSeconds: estimate.seconds, ...conflicts };
}

async function refuseUnordered(path: string, table: PlannedTable): Promise<void> {
  let last: OrderCode | undefined;
  for await (const { code, key } of changesInPlan(path, table)) {
    if (last !== undefined && code <= last) {
      throw refused(path, `the change of ${textOfJson(key)} is not in key order`);
    }
    last = code;
  }
}

function headOf(line: string, path: string): v.InferOutput<typeof head> {
  // A plan of another version may end its first line in another way.
  const said = /^\{"thinkback":"plan","version":(\d+),/.exec(line);
  const of = parsedAs(versioned, said ? `${said[0].slice(0, -1)}}` : line, path);
  if (of.version !== version) {
    throw refused(path, `it is of version ${of.version}, and this Thinkback reads ${version}`);
  }
  return parsedAs(head, `${line}]}`, path);
}

function tableOf(line: string, path: string, end: number): PlannedTable {
  const { table: id, name } = parsedAs(tableHead, `${line.replace(/^,/, "")}]}`, path);
  return { id, name, documents: 0, start: end, end: Number.MAX_SAFE_INTEGER };
}

function parsedAs<T>(schema: v.GenericSchema<unknown, T>, text: string, path: string): T {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw refused(path, "it is not a plan");
  }
  const read = v.safeParse(schema, content);
  if (!read.success) throw refused(path, "it is not a plan");
  return read.output;
}

/** Takes a line into the checksum; of the last line what stands before the checksum, which it returns. */
function update(hash: Hash, line: string): string | undefined {
  const match = /^(.*),"checksum":"([0-9a-f]{64})"\}$/.exec(line);
  hash.update(match ? match[1]! : line);
  return match?.[2];
}

const names = { key: fieldName("key"), live: fieldName("live"), becomes: fieldName("becomes") };

/** The changes of one table of a plan, in key order. */
export async function* changesInPlan(
  path: string,
  table: Pick<PlannedTable, "start" | "end">,
): AsyncGenerator<DocumentChange> {
  if (table.end <= table.start) return;
  for await (const { text } of linesOf(path, table)) {
    if (!text.startsWith('{"key":')) continue;
    const bytes = jsonOfText(text.replace(/,$/, ""));
    const json = new JsonText(bytes);
    const of = (name: Buffer) => memberOf(json, name, path);
    const documentOf = (name: Buffer) => {
      const text = of(name);
      return text.equals(nullText) ? null : text;
    };
    const key = of(names.key);
    const before = documentOf(names.live);
    yield { code: orderCode(key), key, before, after: documentOf(names.becomes) };
  }
}

function memberOf(json: JsonText, name: Buffer, path: string): Buffer {
  const span = json.fieldOf(0, name);
  if (!span) throw refused(path, `it has a change without ${name.toString()}`);
  return json.bytes.subarray(span.start, span.end);
}

const nullText = Buffer.from("null");

interface Line {
  text: string;
  /** Where it is in the file: bytes, the end after its newline. */
  start: number;
  end: number;
}

/** Cuts at newlines only: the platform's reader of lines cuts at other characters too, which documents may hold. */
async function* linesOf(path: string, of = { start: 0, end: Infinity }): AsyncGenerator<Line> {
  let start = of.start;
  const line = (parts: Buffer[], end: number): Line => {
    const found = { text: Buffer.concat(parts).toString(), start, end };
    start = end;
    return found;
  };
  try {
    let rest: Buffer[] = [];
    let read = of.start;
    const range = { start: of.start, end: of.end - 1 };
    for await (const chunk of createReadStream(path, range) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
        yield line([...rest, chunk.subarray(from, at)], read + at + 1);
        rest = [];
        from = at + 1;
      }
      rest.push(chunk.subarray(from));
      read += chunk.length;
    }
    yield line(rest, read);
  } catch (error) {
    if (error instanceof ThinkbackError) throw error;
    throw refused(path, messageOf(error));
  }
}

function refused(path: string, why: string): ThinkbackError {
  return new ThinkbackError("usage", `the plan ${path} cannot be used: ${why}`, {
    hint: "make it again with --dry-run --plan",
  });
}
