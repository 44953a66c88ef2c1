/**
 * Plans of operations as files: what exactly will be written to a live table. A plan can be read, approved, kept, and
 * carried out as it stands. It is one JSON object with one change on each line, so it may be larger than memory.
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import * as v from "valibot";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { fieldName, JsonText } from "../json-bytes.js";
import { orderCode } from "../key-order.js";
import {
  type DocumentChange,
  type OperationType,
  operationTypes,
} from "../repository/records/operations.js";
import { jsonOfText, textOfJson } from "../server-text.js";

/** What a plan is for. */
export interface PlanHead {
  /** 8 hexadecimal digits: the id of the operation that carries it out. */
  id: string;
  type: OperationType;
  /** Id of the repository. */
  repository: string;
  made: number;
  /** Id of the table, and "db.table". */
  table: string;
  name: string;
  description: string;
}

const version = 1;

const head = v.object({
  thinkback: v.literal("plan"),
  version: v.literal(version),
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/)),
  type: v.picklist(operationTypes),
  repository: v.string(),
  made: v.string(),
  table: v.string(),
  name: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/)),
  description: v.string(),
});

const linesBytes = 64 * 1024;

/** Writes a plan. It holds documents, so only its owner may read it. */
export class PlanWriter {
  private readonly hash = createHash("sha256");
  private waiting: string[] = [];
  private waitingBytes = 0;
  documents = 0;
  /** Of the documents that will be written. */
  bytes = 0;

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
    await writer.write(`${text.slice(0, -1)},"changes":[`);
    return writer;
  }

  async add({ key, before, after }: DocumentChange): Promise<void> {
    const [keyText, live, becomes] = [key, before, after].map((text) =>
      text === null ? "null" : textOfJson(text),
    );
    const comma = this.documents > 0 ? "," : "";
    await this.write(`${comma}\n{"key":${keyText},"live":${live},"becomes":${becomes}}`);
    this.documents += 1;
    this.bytes += after?.length ?? 0;
  }

  /** @param more further members, for readers */
  async finish(more: object): Promise<void> {
    const { documents, bytes } = this;
    const text = JSON.stringify({ documents, bytes, ...more });
    await this.write(`\n],${text.slice(1, -1)}`);
    await this.flush();
    const checksum = this.hash.digest("hex");
    await this.file.write(`,"checksum":"${checksum}"}\n`);
    await this.file.sync();
    await this.file.close();
  }

  /** Removes the file again, because the plan could not be made. */
  async discard(): Promise<void> {
    await this.file.close();
    await rm(this.path, { force: true });
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

/** Reads the head of a plan after a check of the whole file. Throws, with code "usage", if it is not whole. */
export async function readPlanHead(path: string): Promise<PlanHead> {
  let first: string | undefined;
  const hash = createHash("sha256");
  let checksum: string | undefined;
  for await (const line of linesOf(path)) {
    if (checksum !== undefined && line === "") continue;
    if (first !== undefined) hash.update("\n");
    first ??= line;
    checksum = update(hash, line);
  }
  if (first === undefined || checksum === undefined || hash.digest("hex") !== checksum) {
    throw refused(path, "it is cut off, or was changed after it was made");
  }
  let content: unknown;
  try {
    content = JSON.parse(`${first}]}`);
  } catch {
    throw refused(path, "it is not a plan");
  }
  const read = v.safeParse(head, content);
  if (!read.success) throw refused(path, "it is not a plan, or of another version of Thinkback");
  const { thinkback: _, version: __, made, ...of } = read.output;
  return { ...of, made: parseInstant(made, Number.MAX_SAFE_INTEGER) };
}

/** Takes a line into the checksum; of the last line what stands before the checksum, which it returns. */
function update(hash: Hash, line: string): string | undefined {
  const match = /^(.*),"checksum":"([0-9a-f]{64})"\}$/.exec(line);
  hash.update(match ? match[1]! : line);
  return match?.[2];
}

const names = { key: fieldName("key"), live: fieldName("live"), becomes: fieldName("becomes") };

/** The changes of a plan, in key order. */
export async function* changesInPlan(path: string): AsyncGenerator<DocumentChange> {
  for await (const line of linesOf(path)) {
    if (!line.startsWith('{"key":')) continue;
    const bytes = jsonOfText(line.replace(/,$/, ""));
    const json = new JsonText(bytes);
    const of = (name: Buffer): Buffer => {
      const span = json.fieldOf(0, name);
      if (!span) throw refused(path, `it has a change without ${name.toString()}`);
      return bytes.subarray(span.start, span.end);
    };
    const documentOf = (name: Buffer) => {
      const text = of(name);
      return text.equals(nullText) ? null : text;
    };
    const key = of(names.key);
    const before = documentOf(names.live);
    yield { code: orderCode(key), key, before, after: documentOf(names.becomes) };
  }
}

const nullText = Buffer.from("null");

/** Cuts at newlines only: the platform's reader of lines cuts at other characters too, which documents may hold. */
async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    let rest: Buffer[] = [];
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, from)) {
        yield Buffer.concat([...rest, chunk.subarray(from, at)]).toString();
        rest = [];
        from = at + 1;
      }
      rest.push(chunk.subarray(from));
    }
    yield Buffer.concat(rest).toString();
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
