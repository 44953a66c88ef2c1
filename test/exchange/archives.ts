/** Archives made by hand, and a reader that is as strict as the official restore. */
import { readFileSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, type Header, pack } from "tar-stream";

export interface Member extends Partial<Header> {
  name: string;
  text?: string | Buffer;
}

/** When the files of these archives were written, unless they say otherwise. */
export const writtenAt = Date.UTC(2024, 4, 6, 7, 8, 9);

export const info = (more: object = {}) =>
  JSON.stringify({ primary_key: "id", indexes: [], write_hook: null, ...more });

/** The two files of a table. */
export const tableFiles = (path: string, json: string | Buffer, settings = info()): Member[] => [
  { name: `${path}.info`, text: settings },
  { name: `${path}.json`, text: json },
];

export async function tarOf(members: Member[]): Promise<Buffer> {
  const tar = pack();
  for (const { text = "", ...header } of members) {
    const entry = { mtime: new Date(writtenAt), ...header };
    if (header.type === undefined || header.type === "file") tar.entry(entry, text);
    else tar.entry(entry);
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of Readable.from(tar)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function writeArchive(
  path: string,
  members: Member[],
  zipped = true,
): Promise<string> {
  const tar = await tarOf(members);
  writeFileSync(path, zipped ? gzipSync(tar) : tar);
  return path;
}

export interface RestoredFile {
  info: Record<string, unknown>;
  documents: unknown[];
  /** The texts of the two files. */
  texts: { info: string; json: string };
}

/**
 * What the official restore makes of an archive, by "db.table". Throws where it would end, and also where it would only
 * be lenient: an own archive has to be right.
 */
export async function officially(path: string): Promise<Map<string, RestoredFile>> {
  const files = new Map<string, Buffer>();
  const tops = new Set<string>();
  const entries = extract();
  entries.end(gunzipSync(readFileSync(path)));
  for await (const entry of entries) {
    const { name, type } = entry.header;
    if (type !== "file") throw new Error(`${name} is no file`);
    // Of other extensions it passes over what it finds.
    if (!/\.(json|csv|info)$/.test(name)) {
      entry.resume();
      continue;
    }
    const [top, db, file, ...more] = name.split("/");
    if (!top || !db || !file || more.length > 0) throw new Error(`${name} is not at three levels`);
    if (!/^[\w-]+$/.test(db) || !/^[\w-]+\.(json|info)$/.test(file)) throw new Error(`${name}?`);
    tops.add(top);
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const isData = file.endsWith(".json");
    if (isData && !files.has(`${db}/${file.replace(/json$/, "info")}`)) {
      throw new Error(`the settings of ${name} come after it`);
    }
    files.set(`${db}/${file}`, Buffer.concat(chunks));
  }
  if (tops.size !== 1) throw new Error(`there are ${tops.size} directories at the top`);
  const tables = new Map<string, RestoredFile>();
  for (const [name, bytes] of files) {
    if (!name.endsWith(".json")) continue;
    const settings = files.get(name.replace(/json$/, "info"))!;
    for (const one of [bytes, settings]) {
      if (one.some((byte) => byte >= 0x80)) throw new Error(`${name} is not ASCII`);
    }
    const [json, text] = [bytes.toString("latin1"), settings.toString("latin1")];
    const lines = json.split("\n");
    if (lines[0] !== "[" || lines.at(-2) !== "]" || lines.at(-1) !== "") throw new Error(json);
    tables.set(name.slice(0, -5).replace("/", "."), {
      info: JSON.parse(text) as Record<string, unknown>,
      documents: JSON.parse(json) as unknown[],
      texts: { info: text, json },
    });
  }
  return tables;
}
