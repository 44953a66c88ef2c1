/** Cuts the documents out of a file of an archive: an array of objects, or objects one after another. */
import { isUtf8 } from "node:buffer";
import { JsonBytesError, JsonText } from "../json-bytes.js";
import { NotADocument } from "./pseudo-types.js";
import { documentBytesMax } from "./server-json.js";

const openBrace = 0x7b;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * The texts of the documents, in their order.
 * @throws {NotADocument} for what is not a file of documents, or one that was cut short; its message says why
 */
export async function* documentTexts(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const text = new OpenText(chunks[Symbol.asyncIterator]());
  await text.skipMark();
  const first = await text.nextByte();
  if (first === undefined) throw new NotADocument("it is empty");
  if (first !== openBracket && first !== openBrace) {
    throw new NotADocument("it begins with neither an array nor an object");
  }
  const isArray = first === openBracket;
  if (isArray) text.skip();
  for (let isFirst = true; ; isFirst = false) {
    let next = await text.nextByte();
    if (next === undefined) {
      if (!isArray) return;
      throw new NotADocument("it ends before its array does");
    }
    if (isArray && next === closeBracket) {
      text.skip();
      break;
    }
    if (isArray && !isFirst) {
      if (next !== comma) throw new NotADocument("a comma is missing between two documents");
      text.skip();
      next = await text.nextByte();
    }
    if (next !== openBrace) throw new NotADocument("something in it is not an object");
    yield await text.object();
  }
  if ((await text.nextByte()) !== undefined) {
    throw new NotADocument("there is more behind the end of its array");
  }
}

/** Text of which the beginning is in memory. */
class OpenText {
  private held: Buffer = Buffer.alloc(0);
  private json = new JsonText(this.held);
  private at = 0;

  constructor(private readonly chunks: AsyncIterator<Buffer>) {}

  async skipMark(): Promise<void> {
    while (this.held.length < byteOrderMark.length && (await this.more(1)));
    if (this.held.subarray(0, byteOrderMark.length).equals(byteOrderMark)) this.at = 3;
  }

  skip(): void {
    this.at += 1;
  }

  /** The next byte that is not a blank; it stays next. Undefined at the end. */
  async nextByte(): Promise<number | undefined> {
    for (;;) {
      while (this.at < this.held.length) {
        const byte = this.held[this.at]!;
        if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
        this.at += 1;
      }
      if (!(await this.more(1))) return undefined;
    }
  }

  /** The object that begins here. */
  async object(): Promise<string> {
    for (;;) {
      const end = this.endOfObject();
      if (end !== undefined) {
        const bytes = this.held.subarray(this.at, end);
        if (!isUtf8(bytes)) throw new NotADocument("a document is not UTF-8");
        this.at = end;
        return bytes.toString("utf8");
      }
      const length = this.held.length - this.at;
      if (length > documentBytesMax) throw new NotADocument("a document is too large");
      // As much again, so that a large document is searched a few times only.
      if (!(await this.more(length))) throw new NotADocument("it ends within a document");
    }
  }

  private endOfObject(): number | undefined {
    try {
      return this.json.endOfValue(this.at);
    } catch (error) {
      if (error instanceof JsonBytesError) return undefined;
      throw error;
    }
  }

  /** Reads at least so many bytes more; false if there are none. */
  private async more(bytes: number): Promise<boolean> {
    const parts = [this.held.subarray(this.at)];
    let read = 0;
    while (read < bytes) {
      const next = await this.chunks.next();
      if (next.done) break;
      parts.push(next.value);
      read += next.value.length;
    }
    this.held = Buffer.concat(parts);
    this.json = new JsonText(this.held);
    this.at = 0;
    return read > 0;
  }
}
